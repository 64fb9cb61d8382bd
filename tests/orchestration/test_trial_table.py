"""The table trials.csv."""

import pytest

from orchestration.reports.trial_table import trial_table
from tests.support.small_outcomes import COPYING, evaluation, row


def test_the_table_has_a_column_for_each_number():
    line = trial_table([row("a", evaluation())]).iloc[0]
    assert line["totalsegmentator_dice_normalized"] == pytest.approx((0.7 - 0.3) / (0.8 - 0.3))
    assert line["histogram_distance_hu_untrained"] == 40
    assert line["real_dice"] == 0.85


def test_the_table_marks_copying_and_optimal_trials():
    table = trial_table([row("a", evaluation(5.0, 0.79, copying=COPYING)), row("b", evaluation())])
    assert table["pareto"].tolist() == [False, True]
    assert table["is_copying"].tolist() == [True, False]
