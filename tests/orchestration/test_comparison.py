"""Which trials are on the Pareto front, and which are left out."""

from ldm.config import InputSize
from orchestration.study.comparison import anchors_of, optimal_trials, pareto_front
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
