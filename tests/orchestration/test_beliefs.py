"""What a sampler sees of a study: comparable scores, constraints, nothing that nobody measured."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState, create_trial

from ldm.config import InputSize
from orchestration.search.beliefs import (
    believed_study,
    compared_objectives,
    note_anchors,
    note_violation,
    violation_of,
)
from orchestration.search.searcher import DIRECTIONS
from orchestration.study.evaluations import Anchors

SPACE = {
    "learning_rate": FloatDistribution(1e-6, 1e-3, log=True),
    "input_size": CategoricalDistribution([size.value for size in InputSize]),
}
# Floor and ceiling of the histogram distance in HU and of the Dice.
FIT = {"histogram_distance_hu": (60.0, 10.0), "totalsegmentator_dice": (0.0, 0.5)}
SCAN = {"histogram_distance_hu": (30.0, 20.0), "totalsegmentator_dice": (0.1, 0.2)}


@pytest.fixture
def record():
    return optuna.create_study(directions=DIRECTIONS)


def add(record, values=None, *, size=InputSize.FIT, state=TrialState.FAIL):
    """Add a trial, complete if it has values. Returns its number."""
    record.add_trial(
        create_trial(
            state=TrialState.COMPLETE if values else state,
            params={"learning_rate": 1e-4, "input_size": size.value},
            distributions=SPACE,
            values=values,
        )
    )
    return len(record.trials) - 1


def know(record, size, limits, *, mute=()):
    anchors = {
        name: Anchors(floor=floor, ceiling=ceiling, can_tell=name not in mute)
        for name, (floor, ceiling) in limits.items()
    }
    note_anchors(record, size, anchors)


def believed(record):
    return believed_study(record, RandomSampler(seed=0)).trials


def test_scores_are_told_between_noise_and_real_scans_of_their_own_input_size(record):
    add(record, [35.0, 0.25], size=InputSize.FIT)
    add(record, [25.0, 0.15], size=InputSize.SCAN)
    know(record, InputSize.FIT, FIT)
    know(record, InputSize.SCAN, SCAN)
    told = [trial.values for trial in believed(record)]
    assert told[0] == pytest.approx([0.5, 0.5])
    assert told[1] == pytest.approx([0.5, 0.5])  # equally good, although the numbers differ
    directions = {one.name for one in believed_study(record, RandomSampler()).directions}
    assert directions == {"MAXIMIZE"}


def test_later_anchors_of_an_input_size_count_for_all_of_its_trials(record):
    add(record, [35.0, 0.25])
    know(record, InputSize.FIT, FIT)
    know(record, InputSize.FIT, FIT | {"totalsegmentator_dice": (0.0, 0.25)})
    assert believed(record)[0].values == pytest.approx([0.5, 1.0])


def test_far_below_noise_counts_as_minus_one(record):
    add(record, [2000.0, 0.0])  # nothing in the samples looks like a body
    know(record, InputSize.FIT, FIT)
    assert believed(record)[0].values == [-1.0, 0.0]


@pytest.mark.parametrize("size", [InputSize.FIT, InputSize.SCAN])
def test_an_objective_that_cannot_tell_at_one_size_is_left_out_for_all(record, size):
    add(record, [35.0, 0.25], size=InputSize.FIT)
    add(record, [20.0, 0.15], size=InputSize.SCAN)
    for one, limits in ((InputSize.FIT, FIT), (InputSize.SCAN, SCAN)):
        know(record, one, limits, mute=["totalsegmentator_dice"] if one is size else [])
    assert [trial.values for trial in believed(record)] == [[0.5], [1.0]]


def test_without_any_objective_that_can_tell_trials_say_nothing(record):
    add(record, [35.0, 0.25])
    note_violation(record, add(record), "non-finite loss")
    know(record, InputSize.FIT, FIT, mute=list(FIT))
    assert believed(record) == []


def test_a_failed_setting_is_worst_in_each_objective_and_violates_the_constraint(record):
    add(record, [10.0, 0.1])
    add(record, [50.0, 0.5])
    note_violation(record, add(record), "non-finite loss")
    know(record, InputSize.FIT, FIT)
    good, better, failed = believed(record)
    assert failed.values == pytest.approx([0.2, 0.2])
    assert failed.state.name == "COMPLETE"  # a sampler ignores trials that failed
    (of_failed,), (of_good,), (of_better,) = (
        list(trial.constraints.values()) for trial in (failed, good, better)
    )
    assert of_failed > 0 >= max(of_good, of_better)


def test_a_copying_setting_keeps_its_scores_and_violates_the_constraint(record):
    note_violation(record, add(record, [10.0, 0.5]), "copies training scans")
    know(record, InputSize.FIT, FIT)
    (copying,) = believed(record)
    assert copying.values == [1.0, 1.0]
    assert next(iter(copying.constraints.values())) > 0


def test_a_trial_that_failed_for_another_reason_is_left_out(record):
    add(record)
    add(record, [10.0, 0.5])
    know(record, InputSize.FIT, FIT)
    assert [trial.values for trial in believed(record)] == [[1.0, 1.0]]
    assert violation_of(record, 0) is None


def test_a_running_trial_is_believed_to_run(record):
    add(record, state=TrialState.RUNNING)
    (running,) = believed(record)
    assert running.state.name == "RUNNING"
    assert running.params == {"learning_rate": 1e-4, "input_size": "fit"}


def test_the_record_stays_as_it_is(record):
    add(record, [35.0, 0.25])
    know(record, InputSize.FIT, FIT)
    believed(record)
    assert [trial.values for trial in record.trials] == [[35.0, 0.25]]


def test_all_objectives_are_compared_before_anything_is_known():
    assert compared_objectives({}) == ["histogram_distance_hu", "totalsegmentator_dice"]
    mute = {"histogram_distance_hu": Anchors(floor=1, ceiling=0, can_tell=False)}
    mute |= {"totalsegmentator_dice": Anchors(floor=0, ceiling=1, can_tell=True)}
    assert compared_objectives({InputSize.FIT: mute}) == ["totalsegmentator_dice"]
