"""The command that writes table and page of a study again from its folder."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ldm.config import Crop
from ldm.errors import InputError
from ldm.recipes import demo
from orchestration.report import write_report
from orchestration.study.facts import write_study
from orchestration.study.ledger import Ledger
from pancreatune.program import app
from tests.support.small_facts import FACTS


def study(storage, name):
    folder = storage / name
    write_study(folder, FACTS)
    Ledger(folder / "trials").add("3e09d7dc", "demo", demo(Crop.PANCREAS))
    return folder


def test_the_command_writes_table_and_page_of_each_study(tmp_path):
    folders = [study(tmp_path, "a"), study(tmp_path, "b")]
    done = CliRunner().invoke(app, ["report", "--storage", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for folder in folders:
        assert "1 demo" in (folder / "report.html").read_text()
        assert "3e09d7dc" in (folder / "trials.csv").read_text()
        assert str(folder / "report.html") in done.output


def test_a_folder_without_a_study_is_refused(tmp_path):
    command = [sys.executable, "-m", "pancreatune", "report", "--storage", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "give the --storage of the sweep" in done.stderr


def test_a_folder_without_study_json_gets_no_report(tmp_path):
    with pytest.raises(InputError, match=r"study\.json"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())
