"""The table: who is on the front, what stands beside it, who is left out and why."""

from io import StringIO

import pytest
from rich.console import Console
from small_outcomes import COPYING, evaluation, row

from orchestration.report import pareto_front, print_table, trial_table


def test_a_point_that_is_beaten_in_both_is_not_optimal():
    assert pareto_front([(10.0, 0.8), (20.0, 0.7)]) == [True, False]


def test_points_that_trade_one_objective_for_the_other_are_both_optimal():
    assert pareto_front([(10.0, 0.7), (20.0, 0.8), (15.0, 0.6)]) == [True, True, False]


def test_equal_points_are_both_optimal():
    assert pareto_front([(10.0, 0.7), (10.0, 0.7)]) == [True, True]


def test_one_point_is_optimal():
    assert pareto_front([(10.0, 0.7)]) == [True]


def shown(*rows):
    log = StringIO()
    print_table(Console(file=log, width=140), list(rows))
    return log.getvalue()


def test_a_trial_that_copies_training_scans_leaves_the_front_to_others():
    copying, honest = row("a", evaluation(5.0, 0.79, copying=COPYING)), row("b", evaluation())
    table = trial_table([copying, honest])
    assert table["pareto"].tolist() == [False, True]
    assert table["is_copying"].tolist() == [True, False]


def test_copies_are_named_below_the_table_in_red():
    log = StringIO()
    console = Console(file=log, width=200, force_terminal=True, color_system="standard")
    print_table(console, [row("a", evaluation(copying=COPYING))])
    line = next(line for line in log.getvalue().splitlines() if "pancreas_017" in line)
    assert "a copies training scans: 1 of 8 samples" in line
    assert line.startswith("\x1b[31m")


def test_real_scans_noise_and_the_untrained_model_stand_under_the_trials():
    assert (
        "real scans: 9.0 HU, Dice 0.80; smooth noise: 80.0 HU, Dice 0.30; "
        "untrained: 40.0 HU, Dice 0.00 (n = 8)"
    ) in shown(row("a", evaluation()))


def test_dice_is_dropped_where_noise_scores_as_real_scans_do():
    text = shown(row("a", evaluation(floor=0.79)))
    assert "Dice is no objective here: TotalSegmentator scores real scans (0.78 to 0.82)" in text


def test_a_dropped_dice_decides_nothing_on_the_front():
    rows = [
        row("a", evaluation(12.0, 0.2, floor=0.79)),
        row("b", evaluation(14.0, 0.8, floor=0.79)),
    ]
    assert trial_table(rows)["pareto"].tolist() == [True, False]


def test_the_table_has_every_number_of_a_score_by_name():
    line = trial_table([row("a", evaluation())]).iloc[0]
    assert line["totalsegmentator_dice_normalized"] == pytest.approx((0.7 - 0.3) / (0.8 - 0.3))
    assert line["histogram_distance_hu_untrained"] == 40
    assert line["real_dice"] == 0.85
