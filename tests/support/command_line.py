"""Run commands in their own processes, as from a shell, or in this one, which saves the imports."""

import os
import subprocess
import sys

from typer.testing import CliRunner

from pancreatune.program import app
from tests.support.repository import ROOT

WIDE = {"COLUMNS": "120"}


def run_tune(*arguments, cwd=ROOT, timeout=120, **environment):
    command = [sys.executable, str(ROOT / "tune.py"), *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **WIDE, "PYTHONPATH": str(ROOT), **environment},
    )


def refusal(*arguments, **options):
    """Run a command that must fail with exit code 2 and no stack trace. Returns standard error."""
    done = run_tune(*arguments, **options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def dry_run(*arguments):
    """Run ``pancreatune sweep --dry-run`` in this process. Returns what it prints."""
    done = CliRunner().invoke(app, ["sweep", *map(str, arguments), "--dry-run"], env=WIDE)
    assert done.exit_code == 0, done.output
    return done.stdout


def refusal_here(*arguments):
    """Run ``pancreatune sweep`` in this process, as in ``refusal``. Returns standard error."""
    done = CliRunner().invoke(app, ["sweep", *map(str, arguments)], env=WIDE)
    assert done.exit_code == 2, done.output
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
        env={**os.environ, **WIDE, "PYTHONPATH": str(ROOT)},
    )
