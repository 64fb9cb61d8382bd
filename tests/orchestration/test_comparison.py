"""Which trials are on the Pareto front, and which are left out."""

from dataclasses import replace

import pytest

from evaluation.measurement import Measurements
from ldm.config import InputSize
from orchestration.study.comparison import (
    anchors_of,
    last_scores,
    objective_notes,
    optimal_trials,
    pareto_front,
    sizes_of,
    undominated_trials,
)
from tests.support.small_outcomes import COPYING, evaluation, row


def test_a_point_that_is_worse_in_both_objectives_is_not_optimal():
    assert pareto_front([(10.0, 0.8), (20.0, 0.7)]) == [True, False]


def test_points_that_are_each_better_in_one_objective_are_optimal():
    assert pareto_front([(10.0, 0.7), (20.0, 0.8), (15.0, 0.6)]) == [True, True, False]


def test_equal_points_are_both_optimal():
    assert pareto_front([(10.0, 0.7), (10.0, 0.7)]) == [True, True]


def test_a_single_point_is_optimal():
    assert pareto_front([(10.0, 0.7)]) == [True]


def test_a_trial_that_copies_training_scans_is_not_on_the_front():
    copying, honest = row("a", evaluation(5.0, 0.79, copying=COPYING)), row("b", evaluation())
    assert optimal_trials([copying, honest]) == {"1-b"}


def test_a_dice_that_cannot_tell_real_scans_from_noise_does_not_affect_the_front():
    rows = [
        row("a", evaluation(12.0, 0.2, floor=0.79)),
        row("b", evaluation(14.0, 0.8, floor=0.79)),
    ]
    assert optimal_trials(rows) == {"1-a"}


def test_trials_of_different_input_sizes_do_not_compete():
    better = row("a", evaluation(5.0, 0.79))
    assert optimal_trials([better, row("b", evaluation(), size=InputSize.SCAN)]) == {"1-a", "1-b"}


def test_trials_without_scores_have_no_anchors():
    assert anchors_of([]) == []


def test_a_trial_without_scores_is_not_on_the_front():
    assert optimal_trials([row("a", None), row("b", evaluation(), number=2)]) == {"2-b"}


def test_the_input_size_that_shows_the_whole_crop_comes_first():
    sizes = (InputSize.SCAN, InputSize.FIT, InputSize.ISOTROPIC, InputSize.SCAN)
    rows = [row("a", None, size=size) for size in sizes]
    assert sizes_of(rows) == [InputSize.FIT, InputSize.ISOTROPIC, InputSize.SCAN]


def test_trials_stand_between_real_scans_noise_and_the_untrained_model():
    anchors = anchors_of([row("a", evaluation(12.0, 0.7))])
    assert [(one.name, one.distance_hu.value, one.dice.value) for one in anchors] == [
        ("real scans", 9.0, 0.8),
        ("smooth noise", 80.0, 0.3),
        ("untrained", 40.0, 0.0),
    ]


def test_the_last_trial_that_has_scores_gives_what_is_the_same_for_all():
    rows = [row("a", evaluation(14.0)), row("b", evaluation(12.0)), row("c", None)]
    assert last_scores(rows) == evaluation(12.0)
    assert last_scores([row("c", None)]) is None


def test_a_dice_that_tells_nothing_is_named_with_both_intervals():
    assert objective_notes([row("a", evaluation(floor=0.79))]) == [
        "The Dice is not an objective here, because the intervals of real scans (0.78 to 0.82) and "
        "of smooth noise (0.77 to 0.81) overlap and they cannot be told apart",
        "The Pareto front uses the histogram distance alone",
    ]


def test_a_histogram_distance_that_tells_nothing_is_named_with_both_intervals():
    assert objective_notes([row("a", evaluation(noise_hu=12.0))]) == [
        "The histogram distance is not an objective here, because the intervals of real scans "
        "(8.0 to 10.0) and of smooth noise (7.0 to 17.0) overlap and they cannot be told apart",
        "The Pareto front uses the Dice alone",
    ]


def test_noise_that_scores_better_than_real_scans_is_called_so():
    first, *_ = objective_notes([row("a", evaluation(floor=0.9))])
    assert first == (
        "The Dice is not an objective here, because smooth noise (0.88 to 0.92) scores better than "
        "real scans (0.78 to 0.82)"
    )


def test_a_trial_that_is_no_better_than_noise_in_any_objective_is_not_marked():
    noise, good = row("a", evaluation(79.0, 0.3)), row("b", evaluation(), number=2)
    assert optimal_trials([noise]) == set()
    assert objective_notes([noise, good]) == [
        "Trial 1 a is not marked, because it is no better than smooth noise in any objective"
    ]
    assert optimal_trials([row("c", evaluation(79.0, 0.4))]) == {"1-c"}


def test_a_trial_of_too_few_different_samples_is_named_if_others_are_marked():
    collapsed, good = few_samples(evaluation(5.0, 0.79)), row("b", evaluation(4.0), number=2)
    rows = [row("a", collapsed), good]
    assert optimal_trials(rows) == {"2-b"}
    assert objective_notes(rows) == [
        "Trial 1 a is not marked, because its intervals are unknown: it has fewer than 4 different "
        "samples (n = 1)"
    ]


def few_samples(scores):
    few = (replace(one, score=replace(one.score, n=1)) for one in scores.scores.measurements)
    return replace(scores, scores=Measurements(measurements=tuple(few)))


def test_a_histogram_distance_that_tells_nothing_does_not_affect_the_front():
    rows = [
        row("a", evaluation(5.0, 0.6, noise_hu=9.0)),
        row("b", evaluation(9.0, 0.7, noise_hu=9)),
    ]
    assert optimal_trials(rows) == {"1-b"}


def test_if_neither_objective_tells_no_trial_is_on_the_front_and_the_note_says_so():
    rows = [row("a", evaluation(floor=0.79, noise_hu=9.0))]
    assert optimal_trials(rows) == undominated_trials(rows) == set()
    *_, last = objective_notes(rows)
    assert last.startswith("Neither objective tells real scans from noise, so no trial is on")


def test_objectives_that_tell_have_no_note():
    assert objective_notes([row("a", evaluation())]) == []
    assert objective_notes([row("a", None)]) == []


def test_a_dice_without_a_floor_is_not_dropped():
    scores = evaluation()
    distance, dice = scores.scores.measurements
    without = Measurements(measurements=(distance, replace(dice, nonsense=None)))
    assert objective_notes([row("a", replace(scores, scores=without))]) == []


@pytest.mark.parametrize("few", ["score", "real"])
@pytest.mark.parametrize("index", [0, 1])
def test_no_trial_is_marked_if_an_objective_has_fewer_than_four_volumes(few, index):
    scores = evaluation()
    measurements = list(scores.scores.measurements)
    one = measurements[index]
    measurements[index] = replace(one, **{few: replace(getattr(one, few), n=3)})
    rows = [row("a", replace(scores, scores=Measurements(measurements=tuple(measurements))))]
    assert optimal_trials(rows) == set()
    assert undominated_trials(rows) == {"1-a"}
    first, *more = objective_notes(rows)
    assert first == (
        "Intervals are unknown for fewer than 4 different samples or real scans (here 3), so it is "
        "not known which trial is best and none is marked"
    )
    two_groups = (
        "The histogram distance of real scans compares two groups of them, so it needs 8 different "
        "real scans"
    )
    assert more == ([two_groups] if (few, index) == ("real", 0) else [])


def test_a_point_that_is_equal_in_one_and_beaten_in_the_other_is_not_optimal():
    assert pareto_front([(10.0, 0.7), (10.0, 0.8)]) == [False, True]
    assert pareto_front([(10.0, 0.8), (12.0, 0.8)]) == [True, False]
