"""The commands of the program, their help and their errors."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pancreatune.program import app
from tests.support.repository import ROOT
from tests.support.surface import commands, options, surface

KEPT = Path(__file__).parent / "surface.txt"
VERBS = [
    pytest.param(name.split()[1:], [typed for typed, _, one in options(command) if not one.hidden])
    for name, command in commands("pancreatune", app)
]
HEAVY = ("torch", "ray", "mlflow", "optuna", "monai", "numpy", "scipy", "nibabel", "pandas")
WIDE = {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "pancreatune", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **WIDE},
    )


def test_the_command_line_is_as_recorded():
    assert surface() == KEPT.read_text(), (
        "the command line has changed: if it was meant to, run "
        "`python -m tests.support.surface > tests/pancreatune/surface.txt`"
    )


@pytest.mark.parametrize(("words", "typed"), VERBS)
def test_the_help_of_each_command_shows_its_options(words, typed):
    shown = CliRunner().invoke(app, [*words, "--help"], env=WIDE)
    assert shown.exit_code == 0, shown.output
    names = [name for one in typed for name in one.split("/")]
    assert [name for name in names if name not in shown.output] == []


def test_help_lists_each_command_on_one_line():
    shown = run("--help").stdout
    narrow = CliRunner().invoke(app, ["--help"], env={**WIDE, "COLUMNS": "80"}).output
    for words, _ in (one.values for one in VERBS):
        assert re.search(rf"│ {words[0]} +\S", shown)
    rows = [line for line in narrow.split("\n") if line.startswith("│")]
    assert all(re.match(r"│ [a-z-]", line) for line in rows)  # none needs a second line


def test_without_a_command_the_help_is_shown():
    assert "Before a search" in run().stdout


def test_help_is_shown_without_heavy_imports():
    code = (
        "import sys; from typer.testing import CliRunner; from pancreatune.program import app;"
        "assert CliRunner().invoke(app, ['sweep', '--help']).exit_code == 0;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_tune_is_the_sweep():
    import tune

    (as_file,) = (command for _, command in commands("", tune.app))
    as_verb = dict(commands("pancreatune", app))["pancreatune sweep"]
    assert as_file.callback is as_verb.callback


def test_an_error_of_the_user_is_one_line_and_exit_code_2(tmp_path):
    done = run("report", "--storage", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("error: --storage must contain studies")
    assert "Traceback" not in done.stderr
