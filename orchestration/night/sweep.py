"""One study's sweep in a night: the options of ``pancreatune sweep``, and the sweep itself."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ldm.config import Crop
from orchestration.night.config import NightlyConfig

LAST_ERROR = re.compile(r"^error: (.*(?:\n .*)*)", re.M)  # with its indented lines
MORE_THAN_FIT = 1000  # trials of one night


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One study's part of a night.

    The study has ``n_known`` trials, ``log`` takes what the sweep says, ``rescored`` is the
    address of weights to score again.
    """

    crop: Crop
    night: str
    n_known: int
    until: datetime
    rescored: str | None
    log: Path


def shared_options(config: NightlyConfig, crop: Crop) -> list[str]:
    """What the doctor and a sweep are both told."""
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
    """Those of ``pancreatune sweep``, but no address: ``--trials`` is what there is, and more."""
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
        }
    )
    flags = {
        "--allow-phantom-weights": config.allow_phantom_weights,
        "--hash-cases": config.hash_cases,
    }
    chosen = [name for name, is_given in flags.items() if is_given]
    return [*shared_options(config, task.crop), *more, *chosen]


def environment(config: NightlyConfig) -> dict[str, str]:
    """That of a process on this machine: its list of processes need not show a URI's password."""
    tracking = {"MLFLOW_TRACKING_URI": config.tracking_uri} if config.tracking_uri else {}
    return {**os.environ, **tracking}


def _given(options: dict[str, object | None]) -> list[str]:
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def sweep_here(config: NightlyConfig, task: Task, lock: int) -> int:
    """A process of its own, on this machine or joining ``address``; returns its exit code.

    It holds the night's lock too: should the night be killed alone, no other starts beside it.
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


def has_concluded(log: Path) -> bool:
    """Whether a sweep came to its end and said where its results are, whatever became of trials."""
    return log.is_file() and "\nresults: " in log.read_text(errors="replace")


def last_words(log: Path) -> str:
    """The last error that a sweep told, in one line; without one, the last thing that it said."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    if errors := LAST_ERROR.findall(text):
        return " ".join(errors[-1].split())
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return lines[-1] if lines else "nothing was said"
