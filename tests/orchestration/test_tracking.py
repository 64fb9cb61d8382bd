import socket
import time

import pytest
from mlflow.tracking import MlflowClient

from orchestration.study.outbox import SWEEP, Outbox
from orchestration.tracking.sender import MlflowSender, send_waiting
from orchestration.tracking.sweep import tag_of
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker


def target(folder, uri=None):
    return TrackingTarget(
        tracking_uri=uri or f"sqlite:///{folder}/mlflow.db",
        experiment="pancreatune/test",
        study="study",
        artifacts=str(folder / "artifacts"),
    )


def tell(tracker, folder):
    picture = folder / "panel.png"
    picture.write_bytes(b"a picture")
    tracker.start_run(SWEEP, "sweep", {"crop": "pancreas"}, {"nightly": "no"})
    tracker.start_run("t1", "trial 1", {"gamma": 0.5}, {})
    for epoch in (1, 2, 3):
        tracker.log_metrics("t1", epoch, {"loss": 1.0 / epoch})
    tracker.log_artifacts("t1", [picture], to="epoch_0003", step=3)
    tracker.end_run("t1", "FINISHED")
    tracker.end_run(SWEEP, "FINISHED")


def runs_of(folder):
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("pancreatune/test")
    return client, {
        run.info.run_name: run for run in client.search_runs([experiment.experiment_id])
    }


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracked")
    tracker = Tracker(folder / "study", target(folder))
    tell(tracker, folder)
    assert tracker.close(60) == 0
    return folder


def test_a_trial_is_a_child_of_its_sweep(tracked):
    _, runs = runs_of(tracked)
    parent = runs["trial 1"].data.tags["mlflow.parentRunId"]
    assert parent == runs["sweep"].info.run_id


def test_metrics_arrive_once_for_each_epoch(tracked):
    client, runs = runs_of(tracked)
    history = client.get_metric_history(runs["trial 1"].info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]


def test_artifacts_and_parameters_arrive(tracked):
    client, runs = runs_of(tracked)
    files = client.list_artifacts(runs["trial 1"].info.run_id, "epoch_0003")
    assert [file.path for file in files] == ["epoch_0003/panel.png"]
    assert runs["trial 1"].data.params == {"gamma": "0.5"}


def test_a_sweep_that_is_logged_again_adds_nothing(tracked):
    before = len(Outbox(tracked / "study"))
    tracker = Tracker(tracked / "study", target(tracked))
    tracker.start_run(SWEEP, "sweep", {"crop": "pancreas"}, {"nightly": "no"})
    tracker.log_metrics("t1", 2, {"loss": 0.5})
    assert tracker.close(60) == 0
    _, runs = runs_of(tracked)
    assert len(runs) == 2
    assert len(Outbox(tracked / "study")) == before + 1  # tags may change, so they are sent again


def test_sending_the_same_records_twice_changes_nothing(tracked):
    outbox = Outbox(tracked / "study")
    outbox.mark_sent(0)
    send_waiting(outbox, MlflowSender(target(tracked)))
    client, runs = runs_of(tracked)
    assert len(runs) == 2
    assert len(client.get_metric_history(runs["trial 1"].info.run_id, "loss")) == 3


def test_records_for_an_unreachable_server_are_sent_later(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    tracker = Tracker(tmp_path / "study", target(tmp_path, f"http://127.0.0.1:{port}"))
    started = time.perf_counter()
    tell(tracker, tmp_path)
    assert time.perf_counter() - started < 2
    n_records = tracker.close(1)
    assert n_records == len(Outbox(tmp_path / "study"))
    assert send_waiting(Outbox(tmp_path / "study"), MlflowSender(target(tmp_path))) == n_records
    _, runs = runs_of(tmp_path)
    assert set(runs) == {"sweep", "trial 1"}


def test_a_case_of_any_name_has_a_valid_mlflow_tag(tracked):
    client, runs = runs_of(tracked)
    run_id = runs["trial 1"].info.run_id
    tags = [tag_of(case_id) for case_id in ("scan (1)", "Bäuche+#2", "a..b", "p0__abdomen")]
    for tag in tags:
        client.set_tag(run_id, tag, "left out")
    assert set(tags) <= set(client.get_run(run_id).data.tags)
