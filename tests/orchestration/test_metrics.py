"""The metrics for Prometheus, read from Ray's endpoint during a real sweep."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

from ldm.config import Crop
from ldm.recipes import demo
from orchestration.search.metrics import GPU_HOURS, NAMES, OBJECTIVE, TRIALS, SweepMetrics
from orchestration.study.comparison import telling
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState, write_outcome
from tests.support.repository import ROOT
from tests.support.small_outcomes import outcome

DASHBOARD = ROOT / "deploy" / "grafana-dashboard.json"
STUDY = "pancreas-demo-default"
GPU_ONLY = {"ray_node_gpus_utilization", "ray_node_gram_used"}
OURS = re.compile(r"\bray_\w+")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def metrics_of(ledger):
    return SweepMetrics("study", ledger, n_trials=3, n_gpus=2.0)


def test_trials_are_counted_by_state_including_lost_ones(ledger):
    metrics = metrics_of(ledger)
    first, second = (ledger.add(name, "point", demo(Crop.PANCREAS)) for name in "ab")
    metrics.started(first)
    metrics.started(second)
    write_outcome(ledger.folder / "a", outcome(state=TrialState.FAILED, seconds=60.0))
    metrics.ended(first)
    counted = {
        "waiting": 1,
        "running": 1,
        "complete": 0,
        "failed": 1,
        "stopped": 0,
        "lost": 0,
    }
    assert metrics.by_state() == counted
    metrics.ended(second)
    assert metrics.by_state() == counted | {"running": 0, "lost": 1}


def test_gpu_hours_include_all_gpus_and_earlier_sessions(ledger):
    ledger.add("a", "point", demo(Crop.PANCREAS))
    write_outcome(ledger.folder / "a", outcome(seconds=3600.0))
    metrics = metrics_of(ledger)
    record = ledger.add("b", "point", demo(Crop.PANCREAS))
    metrics.started(record)
    metrics.reported(record, {"epoch": 1, "epoch_seconds": 900.0})
    assert metrics.gpu_hours() == pytest.approx(2 * 1.25)


def test_a_trial_of_an_earlier_session_without_an_outcome_is_lost(ledger):
    for name in ("a", "b"):
        ledger.add(name, "point", demo(Crop.PANCREAS))
    write_outcome(ledger.folder / "a", outcome())
    counted = metrics_of(ledger).by_state()
    assert counted == {
        "waiting": 1,
        "running": 0,
        "complete": 1,
        "failed": 0,
        "stopped": 0,
        "lost": 1,
    }


def test_more_trials_than_were_asked_for_leave_none_waiting(ledger):
    for name in "abcd":
        ledger.add(name, "point", demo(Crop.PANCREAS))
    assert metrics_of(ledger).by_state()["waiting"] == 0


def test_a_trial_that_starts_again_has_trained_nothing_yet(ledger):
    record, metrics = ledger.add("a", "point", demo(Crop.PANCREAS)), metrics_of(ledger)
    metrics.started(record)
    metrics.reported(record, {"epoch": 1, "epoch_seconds": 900.0})
    metrics.reported(record, {"epoch": 2, "epoch_seconds": 900.0})
    metrics.reported(record, {"histogram_distance_hu": 12.0})  # scores take no training time
    assert metrics.gpu_hours() == pytest.approx(2 * 0.5)
    metrics.started(record)
    assert metrics.gpu_hours() == 0.0


def test_at_its_end_a_trial_has_trained_as_long_as_its_outcome_says(ledger):
    record, metrics = ledger.add("a", "point", demo(Crop.PANCREAS)), metrics_of(ledger)
    metrics.started(record)
    write_outcome(ledger.folder / "a", outcome(seconds=1800.0))
    metrics.ended(record)
    assert metrics.gpu_hours() == pytest.approx(2 * 0.5)


def scraped(folder):
    """Return the samples of the node whose Ray uses this folder. None until it answers."""
    for path in Path(folder).glob("ray/session_*/prom_metrics_service_discovery.json"):
        for address in {one for group in json.loads(path.read_text()) for one in group["targets"]}:
            try:
                with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as page:
                    text = page.read().decode()
            except OSError:
                continue
            for family in text_string_to_metric_families(text):
                yield from family.samples


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def seen(phantom_folder, storage):
    """All samples from the endpoint of a sweep with one trial, read every second."""
    ray = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # names of sockets must be short
    line = [sys.executable, str(ROOT / "tune.py"), "--crop", "pancreas", "--trials", "1"]
    line += ["--epochs", "4", "--data", str(phantom_folder)]
    line += ["--storage", str(storage)]
    environment = os.environ | {"RAY_TMPDIR": ray, "PYTHONPATH": str(ROOT)}
    environment["RAY_metrics_report_interval_ms"] = (
        "1000"  # instead of 10 s, since the scores come shortly before the end
    )
    sweep, found = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL), []
    while sweep.poll() is None:
        found += scraped(ray)
        time.sleep(1)
    assert sweep.returncode == 0
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_endpoint_has_each_metric_with_its_study(seen):
    ours = [one for one in seen if one.name.startswith("ray_pancreatune")]
    assert {one.name for one in ours} == {f"ray_{name}" for name in NAMES}
    assert {one.labels["study"] for one in ours} == {STUDY}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_endpoint_counts_the_trial_and_has_the_objectives_that_were_not_dropped(seen, storage):
    running = [
        s.value for s in seen if s.name == f"ray_{TRIALS}" and s.labels["state"] == "running"
    ]
    assert max(running) == 1.0
    scores = {s.labels["objective"]: s.value for s in seen if s.name == f"ray_{OBJECTIVE}"}
    ledger = Ledger(storage / STUDY / "trials")
    evaluation = ledger.evaluation(ledger.records()[0].trial_id)
    expected = {name: evaluation.scores[name].score.value for name in telling(evaluation)}
    assert scores == pytest.approx(expected)
    assert scores
    assert {s.value for s in seen if s.name == f"ray_{GPU_HOURS}"} == {0.0}  # on CPUs


def expressions():
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_each_panel_uses_metrics_of_ray_or_of_a_sweep():
    known = {f"ray_{name}" for name in (*NAMES, *METRICS_GAUGES)}
    asked = {title: set(OURS.findall(expression)) for title, expression in expressions()}
    assert all(asked.values()), asked
    assert set.union(*asked.values()) <= known
    assert {f"ray_{name}" for name in NAMES} <= set.union(*asked.values())


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_metrics_of_the_panels_exist_except_those_of_gpus(seen):
    asked = {name for _, expression in expressions() for name in OURS.findall(expression)}
    assert asked - {one.name for one in seen} <= GPU_ONLY
