"""One study's sweep in a night: its command line, its process, and how it ended."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ldm.config import Crop
from orchestration.night.config import NightlyConfig
from orchestration.study.sweep_outcome import SweepOutcome, SweepState

MORE_THAN_FIT = 1000  # trials; no night has time for so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One study's part of a night.

    ``n_known`` is the number of trials that the study has already. ``log`` is the file for the
    sweep's output. ``outcome`` is the address of the file in which the sweep says how it ended; it
    lies in this night's own folder. ``rescored`` is the address of weights to score again, if any.
    """

    crop: Crop
    night: str
    n_known: int
    until: datetime
    rescored: str | None
    log: Path
    outcome: str


def shared_options(config: NightlyConfig, crop: Crop) -> list[str]:
    """The options that the doctor and a sweep have in common."""
    return _given(
        {
            "--crop": crop,
            "--recipe": config.recipe,
            "--data": config.data,
            "--storage": config.storage,
            "--autoencoder": config.autoencoder,
            "--totalsegmentator-weights": config.totalsegmentator_weights,
        }
    )


def sweep_options(config: NightlyConfig, task: Task) -> list[str]:
    """The options of ``pancreatune sweep``, without ``--address``.

    ``--trials`` counts the trials that the study has already.
    """
    more = _given(
        {
            "--space": config.space,
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
    }
    chosen = [name for name, is_given in flags.items() if is_given]
    return [*shared_options(config, task.crop), *more, *chosen]


def environment(config: NightlyConfig) -> dict[str, str]:
    """The environment of a process on this machine.

    The tracking URI is passed here because its password would be visible in a command line.
    """
    tracking = {"MLFLOW_TRACKING_URI": config.tracking_uri} if config.tracking_uri else {}
    return {**os.environ, **tracking}


def _given(options: dict[str, object | None]) -> list[str]:
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def sweep_here(config: NightlyConfig, task: Task, lock: int) -> int:
    """Run a sweep as a process of this machine, which may join ``address``. Returns its exit code.

    The process inherits the night's lock. If only the night is killed, the sweep keeps the next
    night from starting beside it.
    """
    address = [f"--address={config.address}"] if config.address else []
    line = [sys.executable, "-m", "pancreatune", "sweep", *sweep_options(config, task), *address]
    with task.log.open("w") as log:
        done = subprocess.run(
            line,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(config),
            pass_fds=(lock,),
            check=False,
        )
    return done.returncode


def failure_of(outcome: SweepOutcome | None, exit_code: int, log: Path) -> str:
    """Why a sweep did not come to its end, in one line. Empty if it did.

    A sweep that was killed or that crashed left no outcome: then the end of its log is quoted.
    """
    if outcome is None:
        return f"exit code {exit_code}: {last_line(log)}"
    if outcome.state is SweepState.CONCLUDED:
        return ""
    why = outcome.error.message if outcome.error else outcome.state
    return f"exit code {exit_code}: {' '.join(why.split())}"


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, to be quoted."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "no output")
