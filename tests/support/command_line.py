"""Run commands in their own processes, as from a shell."""

import os
import subprocess
import sys

from tests.support.repository import ROOT


def run_tune(*arguments, cwd=ROOT, timeout=120, **environment):
    command = [sys.executable, str(ROOT / "tune.py"), *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120", "PYTHONPATH": str(ROOT), **environment},
    )


def refusal(*arguments, **options):
    """Run a command that must fail with exit code 2 and no stack trace. Returns standard error."""
    done = run_tune(*arguments, **options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def run_finalists(*arguments, timeout=120):
    command = [sys.executable, "-m", "pancreatune", "finalists", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120", "PYTHONPATH": str(ROOT)},
    )
