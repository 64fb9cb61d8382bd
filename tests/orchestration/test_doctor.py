"""The doctor says what is missing and how to get it."""

import json
import sqlite3
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from ldm.autoencoder.model import build_autoencoder
from ldm.data.cohort.listing import list_cases
from ldm.errors import InputError
from ldm.recipes import DEMO_AUTOENCODER
from orchestration.preflight.findings import missing, scans
from pancreatune.program import app
from tests.support.small_task07 import entry, hu, image_of, save, write_json


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)

    def run(*arguments):
        done = CliRunner().invoke(app, ["doctor", *map(str, arguments), "--storage", str(tmp_path)])
        return done.exit_code, done.output

    return run


def test_nothing_is_missing_for_the_demo(ask):
    code, shown = ask("--crop", "semi-body")
    assert code == 0, shown
    assert "MISSING" not in shown
    assert shown.count("TotalSegmentator") >= 3


def test_for_real_scans_the_sources_of_missing_weights_are_shown(ask, folder):
    code, shown = ask("--crop", "semi-body", "--data", folder)
    assert code == 1
    assert "lists 3" in shown
    assert "pancreatune train-autoencoder --data DIR" in shown
    assert "totalseg_download_weights -t total_fast" in shown
    assert "totalseg_download_weights -t body_fast" in shown


def test_the_first_scans_are_read_and_their_values_checked(ask, folder):
    assert "the first 2 scans are read and in HU" in ask("--crop", "semi-body", "--data", folder)[1]
    for case_id in "abc":
        save(image_of(folder, case_id), hu(0).clip(-150, 250))
    code, shown = ask("--crop", "semi-body", "--data", folder, "--allow-phantom-weights")
    assert code == 1
    assert "MISSING  values of scans: none of the first 3 scans can be used" in shown
    assert "cut to a display window" in " ".join(shown.split())
    assert "mend them or take them out" in shown


def test_a_scan_that_a_sweep_would_leave_out_does_not_stop_it(ask, folder):
    for case_id in "ab":
        image_of(folder, case_id).write_bytes(b"")
    write_json(folder, training=[entry(case_id) for case_id in "abc"], test=["/x.nii.gz"])
    code, shown = ask("--crop", "semi-body", "--data", folder, "--allow-phantom-weights")
    assert code == 0, shown
    said = " ".join(shown.split())
    assert "1 of the first 3 scans are in HU, 2 would be left out" in said
    assert "lists 3 scans, and 1 that cannot be used" in said


def test_whatever_is_missing_has_a_remedy(folder):
    write_json(folder, training=[5])
    assert scans(list_cases(folder)).remedy
    assert missing("scans", InputError("a rule")).remedy


def test_weights_for_phantoms_are_accepted_for_phantoms_or_if_allowed(ask, folder, phantom_folder):
    assert ask("--crop", "semi-body", "--data", phantom_folder)[0] == 0
    assert ask("--crop", "semi-body", "--data", folder, "--allow-phantom-weights")[0] == 0


def test_for_a_folder_without_scans_their_source_is_shown(ask, tmp_path):
    code, shown = ask("--crop", "pancreas", "--data", tmp_path)
    assert code == 1
    assert "MISSING  scans" in shown and "medicaldecathlon.com" in shown


def test_an_autoencoder_of_another_recipe_is_shown_with_the_difference(ask, tmp_path):
    path = tmp_path / "model.pt"
    torch.save(build_autoencoder(DEMO_AUTOENCODER).state_dict(), path)
    code, shown = ask("--crop", "pancreas", "--recipe", "full", "--autoencoder", path)
    assert code == 1
    assert "does not fit this recipe's AutoencoderKL" in shown
    assert ask("--crop", "pancreas", "--autoencoder", path)[0] == 0


def test_a_half_downloaded_segmenter_is_missing(ask, tmp_path):
    (tmp_path / "Dataset297_TotalSegmentator_total_3mm_1559subj").mkdir()
    code, shown = ask("--crop", "pancreas", "--totalsegmentator-weights", tmp_path)
    assert code == 1
    assert "incomplete" in shown


def test_for_a_full_disk_the_needed_space_is_shown(ask):
    code, shown = ask("--crop", "pancreas", "--recipe", "full", "--trials", 100_000)
    assert code == 1
    assert "MISSING  storage" in shown and "the sweep needs 1196" in shown


def test_json_has_the_same_findings(ask):
    code, shown = ask("--crop", "pancreas", "--json")
    assert code == 0
    assert {one["name"]: one["is_here"] for one in json.loads(shown)}["storage"]


def test_an_unreachable_server_is_missing_and_its_password_is_not_shown(ask):
    code, shown = ask("--crop", "pancreas", "--tracking-uri", "http://me:secret@127.0.0.1:9")
    assert code == 1
    assert "MISSING  MLflow: http://***@127.0.0.1:9" in shown and "secret" not in shown


@pytest.fixture
def database(tmp_path):
    """An MLflow database, made by another process since MLflow caches what it has checked."""
    path = tmp_path / "mlflow.db"
    upgrade = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{path}"]
    subprocess.run(upgrade, check=True, capture_output=True)
    return path


@pytest.mark.usefixtures("database")
def test_an_existing_database_is_read_and_written_to(ask):
    code, shown = ask("--crop", "pancreas")
    assert code == 0, shown
    assert "has 1 experiments and can be written to" in shown


def test_for_a_database_of_another_mlflow_the_migration_is_shown(ask, database):
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of the future'")
    code, shown = ask("--crop", "pancreas")
    assert code == 1
    assert "MISSING  MLflow" in shown and "mlflow db upgrade" in shown
