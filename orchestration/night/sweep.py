"""The sweep of one study in a night: its command line, its process, and how it ended."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ldm.config import Crop
from orchestration.night.config import NightlyConfig
from orchestration.study.sweep_outcome import SweepOutcome, SweepState

MORE_THAN_FIT = 1000  # more trials than any night has time for


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One study's part of a night.

    Attributes
    ----------
    crop
        Crop of the study.
    night
        Name of the night.
    n_known
        Number of trials that the study has already.
    until
        When the sweep has to end.
    rescored
        Path or URL of the weights to score again, or None.
    log
        The file for the sweep's output.
    outcome
        Path or URL of the file in which the sweep says how it ended, in this night's own folder.
    """

    crop: Crop
    night: str
    n_known: int
    until: datetime
    rescored: str | None
    log: Path
    outcome: str


def shared_options(config: NightlyConfig, crop: Crop) -> list[str]:
    """Return the options that the doctor and a sweep have in common."""
    options = _given(
        {
            "--crop": crop,
            "--recipe": config.recipe,
            "--data": config.data,
            "--labels": config.labels,
            "--storage": config.storage,
            "--autoencoder": config.autoencoder,
            "--totalsegmentator-weights": config.totalsegmentator_weights,
        }
    )
    if crop is Crop.SEMI_BODY and config.semi_body_holds_pancreas:
        options.append("--semi-body-holds-pancreas")
    return options


def sweep_options(config: NightlyConfig, task: Task) -> list[str]:
    """Return the options of ``pancreatune sweep``, without ``--address`` and ``--tracking-uri``.

    ``--trials`` includes the trials that the study has already.
    """
    more = _given(
        {
            "--space": config.space,
            "--sampler": config.sampler,
            "--trials": task.n_known + (config.trials or MORE_THAN_FIT),
            "--epochs": config.epochs,
            "--seed": config.seed,
            "--workers": config.workers,
            "--until": task.until.astimezone().isoformat(timespec="seconds"),
            "--nightly": task.night,
            "--rescore": task.rescored,
            "--outcome": task.outcome,
        }
    )
    flags = {
        "--allow-phantom-weights": config.allow_phantom_weights,
        "--hash-cases": config.hash_cases,
        "--no-stop-early": not config.stop_early,
    }
    chosen = [name for name, is_given in flags.items() if is_given]
    return [*shared_options(config, task.crop), *more, *chosen]


def sweep_environment(config: NightlyConfig) -> dict[str, str]:
    """Return the environment for a process on this machine.

    It contains the tracking URI, whose password would be visible in a command line.
    """
    tracking = {"MLFLOW_TRACKING_URI": config.tracking_uri} if config.tracking_uri else {}
    return {**os.environ, **tracking}


def _given(options: dict[str, object | None]) -> list[str]:
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def sweep_here(config: NightlyConfig, task: Task, lock: int) -> int:
    """Run a sweep as a process on this machine until it ends. Returns its exit code.

    The sweep joins the Ray cluster at ``config.address``, if there is one. Its output goes to
    ``task.log``. ``lock`` is the file descriptor of the night's lock, which the sweep inherits: if
    only the night is killed, no other night can start while the sweep is running.
    """
    address = [f"--address={config.address}"] if config.address else []
    line = [sys.executable, "-m", "pancreatune", "sweep", *sweep_options(config, task), *address]
    with task.log.open("w") as log:
        done = subprocess.run(
            line,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=sweep_environment(config),
            pass_fds=(lock,),
            check=False,
        )
    return done.returncode


def failure_of(outcome: SweepOutcome | None, exit_code: int, log: Path) -> str:
    """Return in one line why a sweep did not finish, or "" if it did.

    ``outcome`` is None if the sweep was killed or crashed, because it wrote no outcome. In that
    case the last line of its log is quoted.
    """
    if outcome is None:
        return f"exit code {exit_code}: {last_line(log)}"
    if outcome.state is SweepState.CONCLUDED:
        return ""
    why = outcome.error.message if outcome.error else outcome.state
    return f"exit code {exit_code}: {' '.join(why.split())}"


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank, or "no output"."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "no output")
