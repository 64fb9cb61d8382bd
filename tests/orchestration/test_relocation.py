"""MLflow's records follow a storage that was moved, and runs that were deleted are made whole."""

import shutil
from pathlib import Path

import pytest
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from ldm.errors import InputError
from orchestration.study.outbox import SWEEP, Record, RecordKind
from orchestration.tracking.relocation import Move, read_target, settle
from orchestration.tracking.sender import MlflowSender
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker
from orchestration.tracking.waiting import send_study
from tests.support.private_mlflow import forget_artifact_locations

STUDY = "pancreas-demo-default"
EXPERIMENT = "pancreatune/pancreas"


def open_tracker(storage, uri=None):
    target = TrackingTarget(
        tracking_uri=uri or f"sqlite:///{storage / 'mlflow.db'}",
        experiment=EXPERIMENT,
        study=str(storage / STUDY),
        artifacts=str(storage / "mlflow-artifacts" / "pancreas"),
    )
    return Tracker(storage / STUDY, target)


def log(storage, epoch, uri=None):
    """Log what a sweep does that starts, trains one epoch of its trial and ends. Returns notes."""
    forget_artifact_locations()  # as in a new process
    tracker = open_tracker(storage, uri)
    panel = storage / STUDY / f"panel_{epoch}.png"
    panel.write_bytes(b"a picture")
    tracker.start_run(SWEEP, STUDY, {"crop": "pancreas"}, {"nightly": "no"})
    tracker.start_run("t1", "trial 1", {"gamma": 0.5}, {})
    tracker.log_metrics("t1", epoch, {"loss": 1.0 / epoch})
    tracker.log_artifacts("t1", [panel], to="panels", step=epoch)
    tracker.end_run(SWEEP, "FINISHED")
    assert tracker.close(120) == 0, tracker.last_error
    return tracker.notes


def client_of(storage, uri=None):
    forget_artifact_locations()
    return MlflowClient(tracking_uri=uri or f"sqlite:///{storage / 'mlflow.db'}")


def runs_of(client, view=ViewType.ALL):
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id], run_view_type=view)
    return sorted(found, key=lambda run: run.info.run_name)


def assert_whole(client, n_epochs):
    """The sweep and its trial have one run each, with all metrics and readable panels."""
    sweep, trial = runs_of(client, ViewType.ACTIVE_ONLY)
    assert (sweep.info.run_name, trial.info.run_name) == (STUDY, "trial 1")
    assert trial.data.tags["mlflow.parentRunId"] == sweep.info.run_id
    assert (sweep.data.params, trial.data.params) == ({"crop": "pancreas"}, {"gamma": "0.5"})
    steps = [one.step for one in client.get_metric_history(trial.info.run_id, "loss")]
    assert steps == list(range(1, n_epochs + 1))
    panels = [one.path for one in client.list_artifacts(trial.info.run_id, "panels")]
    assert panels == [f"panels/panel_{epoch}.png" for epoch in range(1, n_epochs + 1)]


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A database with MLflow's tables. To make them takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    client_of(path.parent).search_experiments()
    return path


@pytest.fixture
def old(empty_database, tmp_path):
    """A storage that was used once."""
    storage = tmp_path / "old place"
    storage.mkdir()
    shutil.copy(empty_database, storage)
    log(storage, 1)
    return storage


def test_a_storage_that_was_moved_is_followed_and_said_in_one_line(old, tmp_path):
    new = tmp_path / "elsewhere" / "new place"
    new.parent.mkdir()
    old.rename(new)
    assert log(new, 2) == [f"{new} was moved from {old}: MLflow's records now point to {new}"]
    assert not old.exists(), "nothing is written to the old place"
    assert_whole(client_of(new), 2)
    assert client_of(new).get_experiment_by_name(EXPERIMENT).artifact_location == (
        (new / "mlflow-artifacts" / "pancreas").as_uri()
    )
    assert log(new, 3) == [], "it is said once"


def test_a_copy_has_records_of_its_own_and_the_original_stays_as_it_was(old, tmp_path):
    new = tmp_path / "copy"
    shutil.copytree(old, new)
    assert log(new, 2) == [f"{new} is a copy of {old}: MLflow's records now point to {new}"]
    assert_whole(client_of(new), 2)
    assert_whole(client_of(old), 1)


def test_a_copy_that_logs_to_the_database_of_its_original_gets_runs_of_its_own(
    empty_database, tmp_path
):
    old, new, uri = tmp_path / "old", tmp_path / "copy", f"sqlite:///{tmp_path / 'mlflow.db'}"
    shutil.copy(empty_database, tmp_path)
    log(old, 1, uri)
    shutil.copytree(old, new)
    (note,) = log(new, 2, uri)
    assert note.startswith(f"{new} is a copy of {old}, which still exists: its records are sent")
    keys = [run.data.tags["pancreatune.key"] for run in runs_of(client_of(None, uri))]
    assert sorted(keys) == sorted(
        f"{storage / STUDY}/{run}" for storage in (old, new) for run in (SWEEP, "t1")
    )


def test_artifacts_that_stayed_behind_are_named(old, tmp_path):
    new = tmp_path / "new"
    (new / STUDY).parent.mkdir()
    (old / STUDY).rename(new / STUDY)
    (old / "mlflow.db").rename(new / "mlflow.db")
    with pytest.raises(InputError, match="must be moved or copied with its folder mlflow-artif"):
        open_tracker(new)


def test_records_that_waited_during_the_move_are_sent_from_the_new_place(
    empty_database, tmp_path, capsys
):
    old, new = tmp_path / "old", tmp_path / "new"
    tracker = open_tracker(old, "http://127.0.0.1:9")
    (old / STUDY / "panel.png").write_bytes(b"a picture")
    tracker.start_run(SWEEP, STUDY, {}, {})
    tracker.log_artifacts(SWEEP, [old / STUDY / "panel.png"])
    assert tracker.close(1) > 0
    old.rename(new)
    shutil.copy(empty_database, new)
    assert send_study(new / STUDY, f"sqlite:///{new / 'mlflow.db'}") == 0
    assert f"{new} was moved from {old}" in capsys.readouterr().out
    (run,) = runs_of(client_of(new))
    assert [one.path for one in client_of(new).list_artifacts(run.info.run_id)] == ["panel.png"]


def test_a_storage_beside_the_one_that_was_moved_keeps_its_addresses():
    move = Move(old=Path("/a/old"), new=Path("/b"))
    assert move.apply("/a/old/panel.png") == "/b/panel.png"
    assert move.apply("/a/old") == "/b"
    assert move.apply("/a/old-2/panel.png") == "/a/old-2/panel.png"


def test_a_storage_named_by_a_link_was_not_moved(old, tmp_path):
    (tmp_path / "link").symlink_to(old)
    assert read_target(tmp_path / "link" / STUDY).study == str(old / STUDY)


def run_named(client, name):
    return next(run for run in runs_of(client) if run.info.run_name == name)


@pytest.mark.parametrize("name", [STUDY, "trial 1"])
def test_a_run_that_was_deleted_in_mlflow_is_restored_and_logged_to(old, name):
    client = client_of(old)
    client.delete_run(run_named(client, name).info.run_id)
    assert log(old, 2) == [f"the run {name} was deleted in MLflow: it was restored"]
    assert_whole(client, 2)


def test_sync_makes_the_runs_of_a_finished_study_whole(old, capsys):
    client = client_of(old)
    client.delete_run(run_named(client, STUDY).info.run_id)
    client._tracking_client.store._hard_delete_run(run_named(client, "trial 1").info.run_id)
    assert send_study(old / STUDY, None) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"the run {STUDY} was deleted in MLflow: it was restored",
        "the run trial 1 was deleted from MLflow for good: it was logged again",
    ]
    assert_whole(client, 1)
    assert send_study(old / STUDY, None) == 0
    assert "deleted" not in capsys.readouterr().out


def test_an_experiment_that_was_deleted_in_mlflow_is_restored(old):
    client = client_of(old)
    client.delete_experiment(client.get_experiment_by_name(EXPERIMENT).experiment_id)
    (note,) = log(old, 2)
    assert note == f"the experiment {EXPERIMENT} was deleted in MLflow: it was restored"
    assert_whole(client, 2)


@pytest.mark.parametrize("name", [STUDY, "trial 1"])
def test_a_run_that_was_deleted_for_good_is_logged_again(old, name):
    client = client_of(old)
    run_id = run_named(client, name).info.run_id
    client._tracking_client.store._hard_delete_run(run_id)  # as `mlflow gc` does
    assert log(old, 2) == [f"the run {name} was deleted from MLflow for good: it was logged again"]
    assert_whole(client, 2)


def test_a_run_that_is_deleted_while_it_is_logged_to_is_restored(old):
    tracker = open_tracker(old)
    tracker.set_tags(SWEEP, {"a": "b"})
    client = client_of(old)
    client.delete_run(run_named(client, STUDY).info.run_id)
    tracker.set_tags(SWEEP, {"c": "d"})
    assert tracker.close(120) == 0
    assert run_named(client, STUDY).data.tags["c"] == "d"


def settled(storage):
    """Say where the records of a study are sent to a server that nobody has to reach for it."""
    target = TrackingTarget(
        tracking_uri="http://127.0.0.1:9",
        experiment=EXPERIMENT,
        study=str(storage / STUDY),
        artifacts=str(storage / "mlflow-artifacts" / "pancreas"),
    )
    return settle(storage / STUDY, target)


def test_each_place_of_a_storage_that_was_moved_several_times_is_remembered(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    (a / STUDY).mkdir(parents=True)
    settled(a)
    for old, new in ((a, b), (b, c)):
        old.rename(new)
        target, note = settled(new)
        assert note == f"{new} was moved from {old}: MLflow's records now point to {new}"
        assert settled(new) == (target, "")
    assert target.studies == tuple(str(place / STUDY) for place in (c, b, a))


def test_only_its_owner_can_read_where_records_are_sent(tmp_path):
    """The URI of a server may hold a password."""
    (tmp_path / STUDY).mkdir()
    settled(tmp_path)
    assert (tmp_path / STUDY / "tracking.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("place", ["a", "b"])
def test_runs_on_a_server_are_found_after_the_storage_was_moved(empty_database, tmp_path, place):
    """A server keeps its own artifacts, so only the keys of its runs have to follow."""
    old, new, uri = tmp_path / place, tmp_path / "c", f"sqlite:///{tmp_path / 'mlflow.db'}"
    shutil.copy(empty_database, tmp_path)
    target = TrackingTarget(
        tracking_uri=uri,
        experiment=EXPERIMENT,
        study=str(new / STUDY),
        artifacts=str(new / "mlflow-artifacts"),
        moved_from=str(tmp_path / "b" / STUDY),
        moved_before=(str(tmp_path / "a" / STUDY),),
    )
    log(old, 1, uri)
    tags = Record(kind=RecordKind.TAGS, run=SWEEP, time_ms=0, values={"a": "b"})
    MlflowSender(target).send(tags)
    sweep = run_named(client_of(None, uri), STUDY)
    assert sweep.data.tags["a"] == "b"
    assert sweep.data.tags["pancreatune.key"] == f"{new / STUDY}/{SWEEP}"
