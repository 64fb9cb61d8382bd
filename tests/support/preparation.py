"""Run `prepare` in its own process."""

import os
import subprocess
import sys

from tests.support.repository import ROOT


def command(data, storage, *more):
    options = ("--crop", "pancreas", "--data", data, "--storage", storage, *more)
    return [sys.executable, "-m", "pancreatune", "prepare", *map(str, options)]


def start(data, storage, *more):
    return subprocess.Popen(
        command(data, storage, *more),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process, timeout=500):
    shown, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, shown
    return shown
