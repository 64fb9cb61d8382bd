"""The monitor turns reports of trials into records for MLflow and lines of output."""

import shutil
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from ldm.config import InputSize
from ldm.data.latents.store import read_manifest
from orchestration.search.metrics import SweepMetrics
from orchestration.search.monitor import Display, MonitorCallback, StudyMonitor
from orchestration.study.evaluations import epoch_folder, write_evaluation
from orchestration.study.ledger import Ledger
from orchestration.study.outbox import Outbox, RecordKind
from orchestration.study.outcomes import TrialState, write_outcome
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker
from search_spaces.named_trial import NamedTrial
from tests.support.small_outcomes import COPYING, complete, evaluation, outcome
from tests.support.small_sweep import small_sweep
from tests.support.sound_files import write_store

NOBODY = "http://127.0.0.1:9"  # no MLflow answers there: records stay in the outbox
EPOCH = {
    "epoch": 2,
    "step": 100,
    "loss": 0.725,
    "trivial_loss": 2.0,
    "learning_rate": 1e-3,
    "gradient_norm": 0.5,
    "epoch_seconds": 3.0,
}


class Study:
    """A real monitor, but without an MLflow server."""

    def __init__(self, folder):
        config, self.log = small_sweep(folder), StringIO()
        manifest = read_manifest(write_store(folder).parent)
        self.folder, self.ledger = config.folder, Ledger(config.trials_folder)
        target = TrackingTarget(
            tracking_uri=NOBODY, experiment="test", study="study", artifacts=str(folder)
        )
        tracker = Tracker(config.folder, target)
        self.values = NamedTrial(name="demo", config=config.base).values()
        self.monitor = StudyMonitor(
            config,
            self.ledger,
            tracker,
            Display(Console(file=self.log, width=200)),
            dict.fromkeys(InputSize, manifest),
            SweepMetrics("study", self.ledger, n_trials=9, n_gpus=0.0),
        )

    def start(self, trial_id):
        """Start a trial and return its folder."""
        self.monitor.started(trial_id, self.values)
        return self.ledger.folder / trial_id

    def told(self, trial_id, kind):
        """Return the records of a trial and kind that will be sent to MLflow."""
        records = Outbox(self.folder).records()
        return [one for one in records if one.run == trial_id and one.kind is kind]

    def lines(self):
        return self.log.getvalue().splitlines()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study that all tests share. Each test has its own trial."""
    return Study(tmp_path_factory.mktemp("monitor"))


def test_a_trial_that_starts_opens_a_run_with_its_settings(study):
    study.start("starts")
    (record,) = (one for one in study.ledger.records() if one.trial_id == "starts")
    (start,) = study.told("starts", RecordKind.START)
    assert (record.name, start.name) == ("demo", f"trial {record.number}: demo")
    (params,) = study.told("starts", RecordKind.PARAMS)
    assert params.values["training.epochs"] == 8
    assert params.values["field_of_view_fraction.x"] == 1.0


def test_an_epoch_logs_its_metrics_at_its_number(study):
    study.start("trains")
    study.monitor.reported("trains", EPOCH)
    (metrics,) = study.told("trains", RecordKind.METRICS)
    assert metrics.step == 2
    assert metrics.values == {
        name: value for name, value in EPOCH.items() if name not in ("epoch", "step")
    }


def test_scores_are_read_from_the_folder_of_their_epoch(study):
    folder = study.start("scores")
    scores = evaluation(epoch=4)
    write_evaluation(epoch_folder(folder, 4), scores)
    study.monitor.reported("scores", scores.objectives().report())
    (metrics,) = study.told("scores", RecordKind.METRICS)
    assert (metrics.step, metrics.values) == (4, scores.flat())
    (pictures,) = study.told("scores", RecordKind.ARTIFACTS)
    assert pictures.name == "epoch_0004"
    assert [path.rpartition("/")[2] for path in pictures.values["paths"]] == [
        "panel.png",
        "histogram.png",
        "samples",
        "evaluation.json",
    ]


def test_copies_of_training_scans_are_reported_at_once(study):
    folder = study.start("copies")
    scores = evaluation(epoch=4, copying=COPYING)
    write_evaluation(epoch_folder(folder, 4), scores)
    study.monitor.reported("copies", scores.objectives().report())
    assert {"memorization": COPYING.warning()} in [
        one.values for one in study.told("copies", RecordKind.TAGS)
    ]
    assert any(COPYING.warning() in line for line in study.lines())


def test_a_dice_that_cannot_tell_is_shown_as_measured(study):
    folder = study.start("mute")
    scores = evaluation(35.0, 0.09, epoch=8, floor=0.8)  # noise scores as real scans do
    complete(folder, scores)
    study.monitor.reported("mute", EPOCH | scores.objectives().report())
    assert "Dice 0.09" in study.lines()[-1]
    study.monitor.ended("mute")
    assert study.lines()[-1].endswith("demo: done, histogram distance 35.0 HU, Dice 0.09")


def test_a_complete_trial_ends_with_the_scores_of_its_last_epoch(study):
    folder = study.start("ends")
    complete(folder, evaluation(12.0, 0.71, epoch=8))
    study.monitor.ended("ends")
    (end,) = study.told("ends", RecordKind.END)
    assert end.values == {"status": "FINISHED"}
    assert study.lines()[-1].endswith("demo: done, histogram distance 12.0 HU, Dice 0.71")
    (files,) = study.told("ends", RecordKind.ARTIFACTS)
    assert files.step == 8
    assert [path.rpartition("/")[2] for path in files.values["paths"]] == [
        "trial.json",
        "outcome.json",
    ]


def test_a_failed_trial_ends_with_its_reason(study):
    folder = study.start("fails")
    write_outcome(folder, outcome(state=TrialState.FAILED, reason="loss is nan at step 3"))
    study.monitor.ended("fails")
    (end,) = study.told("fails", RecordKind.END)
    assert end.values == {"status": "FAILED"}
    assert study.told("fails", RecordKind.TAGS)[-1].values == {"reason": "loss is nan at step 3"}
    assert study.lines()[-1].endswith("demo: failed: loss is nan at step 3")


def test_a_trial_without_an_outcome_is_lost(study):
    study.start("lost")
    study.monitor.ended("lost")
    (end,) = study.told("lost", RecordKind.END)
    assert end.values == {"status": "KILLED"}
    assert study.lines()[-1].endswith("demo: lost")


def stall(study, trial_id):
    """Report epochs without learning. Returns the warnings that MLflow gets."""
    study.start(trial_id)
    for epoch in (1, 2, 3):  # of 8: the check is at the end of the second and later ones
        study.monitor.reported(trial_id, EPOCH | {"epoch": epoch, "step": 100, "loss": 1.99})
    tags = study.told(trial_id, RecordKind.TAGS)
    return [one.values["warning"] for one in tags if "warning" in one.values]


def test_a_trial_that_is_not_learning_is_reported_once_if_it_goes_on(study, monkeypatch):
    config = study.monitor._config
    goes_on = replace(config, options=replace(config.options, stops_early=False))
    monkeypatch.setattr(study.monitor, "_config", goes_on)
    (warning,) = stall(study, "stalls")
    assert "1.990" in warning


def test_a_trial_that_will_end_because_it_is_not_learning_has_no_warning_beside_that(study):
    assert stall(study, "will end") == []


def test_a_trial_that_was_stopped_ends_with_its_reason_and_not_as_failed(study):
    folder = study.start("stopped")
    ended = outcome(state=TrialState.STOPPED, epoch=2, reason="it is not learning")
    write_outcome(folder, ended)
    study.monitor.ended("stopped")
    (end,) = study.told("stopped", RecordKind.END)
    assert end.values == {"status": "FINISHED"}
    assert study.told("stopped", RecordKind.TAGS)[-1].values == {"stopped": "it is not learning"}
    assert study.lines()[-1].endswith("demo: stopped at epoch 2 of 8: it is not learning")


def test_a_warning_of_the_worker_is_shown_and_logged(study):
    study.start("warns")
    study.monitor.reported("warns", EPOCH | {"warning": "resumed from epoch 1"})
    assert study.told("warns", RecordKind.TAGS)[-1].values == {"warning": "resumed from epoch 1"}
    assert study.lines()[-1].endswith("demo resumed from epoch 1")


def test_a_run_is_tagged_by_what_it_is_of(study):
    study.start("tagged")
    (start,) = study.told("tagged", RecordKind.TAGS)
    assert start.values == {"crop": "pancreas", "recipe": "demo", "point": "demo"}


def test_a_log_file_has_a_line_at_the_start_and_at_each_fourth_of_a_trial(study):
    study.start("logged")
    before = len(study.lines())
    for epoch in range(1, 6):
        study.monitor.reported("logged", EPOCH | {"epoch": epoch})
    assert study.lines()[before - 1].endswith("demo: starting, 8 epochs")
    ends = [line.rpartition("demo: ")[2] for line in study.lines()[before:]]
    assert ends == ["epoch 2 of 8, loss 0.725", "epoch 4 of 8, loss 0.725"]


def test_a_trial_that_starts_again_has_one_bar(study):
    study.start("twice")
    study.start("twice")
    study.monitor.reported("twice", EPOCH)
    assert study.lines()[-1].endswith("epoch 2 of 8, loss 0.725")
    assert len([one for one in study.ledger.records() if one.trial_id == "twice"]) == 1


def test_a_storage_that_is_gone_ends_the_retries(study, tmp_path):
    study.monitor.broke_off()  # its own storage is there
    other = Study(tmp_path / "other")
    shutil.rmtree(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        other.monitor.broke_off()


class Trial:
    """A trial as Ray Tune hands it to callbacks."""

    def __init__(self, trial_id, values):
        self.trial_id, self.config = trial_id, values


@pytest.fixture
def callback(study, monkeypatch):
    monkeypatch.setattr(MonitorCallback, "current", study.monitor)
    return MonitorCallback()


def test_what_tune_sees_of_a_trial_is_handed_to_the_monitor(study, callback):
    trial = Trial("called", study.values)
    callback.on_trial_start(1, [trial], trial)
    callback.on_trial_result(1, [trial], trial, EPOCH)
    callback.on_trial_complete(1, [trial], trial)
    assert [one.step for one in study.told("called", RecordKind.METRICS)] == [2]
    assert study.told("called", RecordKind.END)[0].values == {
        "status": "KILLED"
    }  # it left no outcome


def test_a_trial_that_tune_gives_up_has_ended(study, callback):
    trial = Trial("given up", study.values)
    callback.on_trial_start(1, [trial], trial)
    callback.on_trial_recover(1, [trial], trial)
    callback.on_trial_error(1, [trial], trial)
    assert len(study.told("given up", RecordKind.END)) == 1
