"""Who is on the front, and who is left out of it."""

from ldm.config import InputSize
from orchestration.study.comparison import anchors_of, optimal_trials, pareto_front
from tests.support.small_outcomes import COPYING, evaluation, row


def test_a_point_that_is_beaten_in_both_is_not_optimal():
    assert pareto_front([(10.0, 0.8), (20.0, 0.7)]) == [True, False]


def test_points_that_trade_one_objective_for_the_other_are_both_optimal():
    assert pareto_front([(10.0, 0.7), (20.0, 0.8), (15.0, 0.6)]) == [True, True, False]


def test_equal_points_are_both_optimal():
    assert pareto_front([(10.0, 0.7), (10.0, 0.7)]) == [True, True]


def test_one_point_is_optimal():
    assert pareto_front([(10.0, 0.7)]) == [True]


def test_a_trial_that_copies_training_scans_leaves_the_front_to_others():
    copying, honest = row("a", evaluation(5.0, 0.79, copying=COPYING)), row("b", evaluation())
    assert optimal_trials([copying, honest]) == {"1-b"}


def test_a_dropped_dice_decides_nothing_on_the_front():
    rows = [
        row("a", evaluation(12.0, 0.2, floor=0.79)),
        row("b", evaluation(14.0, 0.8, floor=0.79)),
    ]
    assert optimal_trials(rows) == {"1-a"}


def test_a_trial_is_not_beaten_by_one_of_another_input_size():
    better = row("a", evaluation(5.0, 0.79))
    assert optimal_trials([better, row("b", evaluation(), size=InputSize.SCAN)]) == {"1-a", "1-b"}


def test_trials_without_scores_have_nothing_to_stand_between():
    assert anchors_of([]) == []
