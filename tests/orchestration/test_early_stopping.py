"""Which trials are stopped at which epochs, and how a request to end reaches a trial."""

from dataclasses import replace

import pytest

from ldm.config import Crop
from ldm.recipes import demo, full, thesis
from orchestration.search.rungs import rung_epochs, stop_reason
from orchestration.search.stopping import Stopper
from orchestration.storage.sharing import SHARED_FOLDER
from orchestration.study.clearly_better import is_clearly_better
from orchestration.study.evaluations import epoch_folder, write_evaluation
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState
from orchestration.study.stop_request import read_stop
from tests.support.small_outcomes import COPYING, evaluation, outcome, row

# ``evaluation`` has intervals of 1 HU and of 0.02 around its scores.
GOOD, POOR = (12.0, 0.7), (40.0, 0.4)
STUDY_SIZE = full(Crop.PANCREAS).training


def training(epochs, every):
    return replace(STUDY_SIZE, epochs=epochs, evaluate_every_epochs=every)


@pytest.mark.parametrize(
    ("epochs", "every", "rungs"),
    [
        (1600, 200, (200, 400, 800)),
        (32, 8, (8, 16)),
        (32, 4, (4, 8, 16)),
        (32, 32, ()),  # the last epoch is none
        (1000, 300, (300, 600)),
        (10, 4, (4, 8)),
    ],
)
def test_rungs_are_evaluated_epochs_after_an_eighth_a_quarter_and_a_half(epochs, every, rungs):
    assert rung_epochs(training(epochs, every)) == rungs


def test_no_schedule_of_the_learning_rate_moves_a_rung():
    late = replace(STUDY_SIZE.schedule, milestones_epochs=(1500, 1590), learning_rate=1e-3)
    assert rung_epochs(replace(STUDY_SIZE, schedule=late)) == rung_epochs(STUDY_SIZE)
    assert rung_epochs(thesis(Crop.PANCREAS).training) == (200, 400, 800)


def others(*scores):
    return [evaluation(*one, epoch=8) for one in scores]


@pytest.mark.parametrize(
    ("at_rung", "is_stopped"),
    [
        ([], False),
        ([GOOD], False),  # one trial may be lucky
        ([GOOD, GOOD], True),
        ([GOOD, GOOD, POOR, POOR], True),  # 2 of 5 trials at the rung
        ([GOOD, GOOD, *[POOR] * 4], False),  # 2 of 7
        ([(12.0, 0.3), (12.0, 0.3)], False),  # better in one objective, worse in the other
        ([(39.0, 0.41), (39.0, 0.41)], False),  # better, but not clearly
    ],
)
def test_a_trial_is_stopped_if_a_third_of_all_and_two_others_are_clearly_better(
    at_rung, is_stopped
):
    assert bool(stop_reason(evaluation(*POOR, epoch=8), others(*at_rung))) is is_stopped


def test_the_reason_says_how_many_are_better_and_where():
    assert stop_reason(evaluation(*POOR, epoch=8), others(GOOD, GOOD, POOR)) == (
        "its scores at epoch 8 are clearly worse than those of 2 of 3 other trials at that epoch"
    )


def test_a_trial_that_copies_is_stopped_by_trials_that_do_not():
    copying = evaluation(9.0, 0.8, epoch=8, copying=COPYING)
    assert stop_reason(copying, others(POOR, POOR))


def test_trials_of_different_input_sizes_are_compared_between_noise_and_real_scans():
    # Both have 0.4 of the way from noise to real scans in Dice, and the same distance.
    wide = evaluation(12.0, 0.5, floor=0.3)  # real scans: 0.8
    narrow = evaluation(12.0, 0.7, floor=0.6333)
    assert not is_clearly_better(narrow, wide)
    assert is_clearly_better(evaluation(12.0, 0.7, floor=0.3), wide)


class Study:
    """The files of a study with trials that have been scored at epoch 8."""

    def __init__(self, folder):
        self.ledger = Ledger(folder)
        base = demo(Crop.PANCREAS)
        self.config = replace(base, training=training(32, 8))
        self.stopper = Stopper(self.ledger, SHARED_FOLDER)

    def score(self, trial_id, scores, epoch=8):
        folder = epoch_folder(self.ledger.folder / trial_id, epoch)
        write_evaluation(folder, evaluation(*scores, epoch=epoch))

    def request(self, trial_id):
        return read_stop(self.ledger.folder / trial_id)


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_a_clearly_worse_trial_is_asked_to_end_and_the_others_are_not(study):
    for trial_id, scores in {"a": GOOD, "b": GOOD, "c": POOR}.items():
        study.score(trial_id, scores)
        study.stopper.scored(trial_id, study.config, 8)
    assert study.request("c").reason.startswith("its scores at epoch 8 are clearly worse")
    assert study.request("a") is study.request("b") is None


def test_trials_are_compared_at_rungs_only_and_with_others_at_that_rung(study):
    for trial_id in "ab":
        study.score(trial_id, GOOD, epoch=16)
    study.score("c", POOR, epoch=8)
    study.score("c", POOR, epoch=24)
    for epoch in (8, 24):
        study.stopper.scored("c", study.config, epoch)
    assert study.request("c") is None


def test_a_stopped_trial_is_neither_failed_nor_complete_in_the_tables():
    stopped = replace(
        row("search", None), outcome=outcome(state=TrialState.STOPPED, epoch=8, reason="worse")
    )
    assert (stopped.state, stopped.failure) == ("stopped", "")
    assert stopped.stop == "was stopped at epoch 8 of 32: worse"
    assert row("search", evaluation()).stop == ""
