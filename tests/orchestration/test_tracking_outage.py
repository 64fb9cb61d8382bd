"""All metrics arrive once and in order if a real MLflow server is down for ten minutes."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from mlflow.tracking import MlflowClient

from orchestration.study.outbox import SWEEP
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker
from tests.support.ports import free_port

OUTAGE_S = 600
EVERY_S = 3
PATIENCE_S = 180

pytestmark = [pytest.mark.slow, pytest.mark.timeout(OUTAGE_S + 3 * PATIENCE_S)]


def serve(folder, port):
    """Start a server in its own process group and wait until it answers."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{folder / 'server.db'}"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: answers(port), "the server to answer")
    return server


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def stop(server):
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.5)


def log(tracker, epochs):
    for epoch in epochs:
        tracker.log_metrics(SWEEP, epoch, {"loss": 1 / epoch})


def test_metrics_logged_during_the_outage_arrive_once_and_in_order(tmp_path):
    port = free_port()
    server = serve(tmp_path, port)
    target = TrackingTarget(
        tracking_uri=f"http://127.0.0.1:{port}",
        experiment="outage",
        study="study",
        artifacts=str(tmp_path),
    )
    tracker = Tracker(tmp_path / "study", target)
    tracker.start_run(SWEEP, "sweep", {"lr": 1}, {})
    log(tracker, range(1, 6))
    until(lambda: not tracker._outbox.waiting(), "the first epochs to be sent")
    stop(server)
    epoch, deadline = 6, time.monotonic() + OUTAGE_S
    while time.monotonic() < deadline:
        log(tracker, [epoch, epoch - 1])  # an epoch is trained twice after a kill
        epoch += 1
        time.sleep(EVERY_S)
    assert tracker.last_error
    back_at, server = time.monotonic(), serve(tmp_path, port)
    until(lambda: not tracker._outbox.waiting(), "the rest to be sent")
    print(f"\nFACT all sent {time.monotonic() - back_at:.0f} s after the server was started")
    assert tracker.close(timeout_s=30) == 0
    client = MlflowClient(tracking_uri=target.tracking_uri)
    experiment = client.get_experiment_by_name("outage")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "loss")
    stop(server)
    assert [metric.step for metric in history] == list(range(1, epoch))
    assert [metric.value for metric in history] == [1 / n for n in range(1, epoch)]
