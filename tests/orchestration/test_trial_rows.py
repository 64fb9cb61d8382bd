"""What a table says of each trial."""

from dataclasses import replace

import pytest

from ldm.config import Crop, InputSize
from ldm.recipes import thesis
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState
from orchestration.study.trial_rows import TrialRow, n_unfinished, trial_rows
from tests.support.small_outcomes import COPYING, complete, evaluation, outcome, row

FAILED = outcome(state=TrialState.FAILED, reason="loss is nan at step 3")


def ended(ending, **changes):
    """A trial without scores, with this outcome or none."""
    return replace(row("a", None), outcome=ending, **changes)


STATES = [
    (ended(outcome()), "complete"),
    (ended(FAILED), "failed"),
    (ended(None), "lost"),
    (ended(None, is_paused=True), "paused"),
]


@pytest.mark.parametrize(("trial", "state"), STATES)
def test_a_trial_ended_as_its_outcome_says_or_is_paused_or_lost(trial, state):
    assert trial.state == state


def test_failed_and_lost_trials_are_unfinished_and_paused_ones_are_not():
    complete_ones = [row("a", None), row("b", None)]
    assert n_unfinished(complete_ones) == 0
    assert n_unfinished([*complete_ones, *(trial for trial, _ in STATES)]) == 2


def test_a_trial_is_named_by_its_number_too():
    assert row("search", None, number=3).label == "3 search"


def test_a_schedule_is_rate_factor_milestones_and_epochs():
    assert row("a", None).schedule == "0.001 x0.1 at 8, 16/32"


def test_losses_are_those_of_the_first_epoch_and_of_the_last():
    assert ended(outcome(first_epoch_loss=2.0, loss=0.7)).losses == "2.00>0.70"


@pytest.mark.parametrize(
    "ending", [None, outcome(first_epoch_loss=None), outcome(loss=None)], ids=repr
)
def test_unknown_losses_are_left_out(ending):
    assert ended(ending).losses == ""


def test_a_failed_trial_says_why_and_no_other_does():
    assert ended(FAILED).failure == "failed: loss is nan at step 3"
    assert ended(outcome()).failure == ended(None).failure == ""


def test_copies_are_told_where_there_are_any():
    assert row("a", evaluation(copying=COPYING)).copy_warning == COPYING.warning()
    assert row("a", evaluation()).copy_warning == row("a", None).copy_warning == ""


def test_a_trial_copies_as_its_scores_say():
    assert row("a", evaluation(copying=COPYING)).is_copying
    assert not row("a", evaluation()).is_copying
    assert not row("a", None).is_copying


def test_a_loss_near_that_of_predicting_zero_is_a_standstill():
    told = ended(outcome(loss=1.97, trivial_loss=2.0)).standstill
    assert "1.970" in told
    assert "2.000" in told


@pytest.mark.parametrize(
    "ending",
    [
        None,
        outcome(loss=0.7, trivial_loss=2.0),
        outcome(loss=None, trivial_loss=2.0),
        outcome(loss=1.97, trivial_loss=None),
    ],
    ids=repr,
)
def test_a_trial_that_learned_or_whose_loss_is_unknown_is_no_standstill(ending):
    assert ended(ending).standstill == ""


def test_a_row_has_what_the_trial_was_asked_and_how_it_ended(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.add("x1", "thesis", thesis(Crop.PANCREAS))
    ledger.add("x2", "search", thesis(Crop.PANCREAS))
    ledger.pause("x2")
    complete(tmp_path / "x1", evaluation(epoch=32))
    first, second = trial_rows(ledger)
    assert first == TrialRow(
        trial_id="x1",
        number=1,
        name="thesis",
        learning_rate=1e-5,
        gamma=0.1,
        milestones_epochs=(100, 1000),
        epochs=1600,
        objective="epsilon",
        whitening="scalar",
        input_size=InputSize.SCAN,
        outcome=outcome(epoch=32),
        evaluation=evaluation(epoch=32),
        is_paused=False,
    )
    assert (second.number, second.outcome, second.evaluation) == (2, None, None)
    assert second.is_paused
