"""Passwords in addresses are never printed, logged or stored as parameters."""

import stat

import pytest

from orchestration.masked import masked
from orchestration.study.outbox import SWEEP
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker
from tests.support.command_line import run_tune
from tests.support.sweep_process import wait_for

SECRET = "hunter2"
URI = f"http://anna:{SECRET}@127.0.0.1:9/mlflow"  # nobody answers there


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URI, "http://***@127.0.0.1:9/mlflow"),
        (
            "postgresql://a:p@ss@host/db, then http://b:c@d/e",
            "postgresql://***@host/db, then http://***@d/e",
        ),
        ("sqlite:////home/anna@lab/mlflow.db", "sqlite:////home/anna@lab/mlflow.db"),
        ("mail anna@lab", "mail anna@lab"),
    ],
)
def test_credentials_of_an_address_are_masked(text, shown):
    assert masked(text) == shown


def test_a_dry_run_shows_no_password(phantom_folder, tmp_path):
    done = run_tune(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path),
        *("--tracking-uri", URI, "--dry-run"),
    )
    assert "***@127.0.0.1:9" in done.stdout
    assert SECRET not in done.stdout + done.stderr


@pytest.fixture
def tracker(tmp_path):
    target = TrackingTarget(tracking_uri=URI, experiment="e", study="s", artifacts=str(tmp_path))
    tracker = Tracker(tmp_path, target)
    tracker.start_run(SWEEP, "sweep", {"epochs": 4}, {"crop": "pancreas"})
    return tracker


def test_the_message_about_an_unreachable_mlflow_has_no_password(tracker):
    wait_for(lambda: tracker.last_error, "the first failed call of MLflow")
    assert tracker.close(0.0) > 0
    assert SECRET not in tracker.last_error


def test_only_the_owner_can_read_the_file_with_the_address(tracker):
    files = [path for path in tracker.folder.iterdir() if SECRET in path.read_text()]
    assert [path.name for path in files] == ["tracking.json"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
