"""Dice by hand, and the pancreas alone, inside its region alone."""

import numpy as np
import pytest

from evaluation.dice import PANCREAS, dice, pancreas_agreement, totalsegmentator_dice
from ldm.data.volume import Volume

WHOLE = (slice(None),) * 3


def mask(*voxels):
    """Ten voxels in a row, some of them set."""
    array = np.zeros((10, 1, 1), bool)
    array[list(voxels)] = True
    return array


def labels(*voxels, label=PANCREAS):
    return mask(*voxels).astype(np.uint8) * np.uint8(label)


def agreement(fine, coarse, region=WHOLE):
    volume = Volume(array=np.zeros((10, 1, 1), np.float32), affine=np.eye(4))
    return pancreas_agreement(volume, region, fine=lambda _: fine, coarse=lambda _: coarse)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 1, 2), (0, 1, 2), 1.0),
        ((0, 1, 2), (1, 2, 3), 2 * 2 / 6),
        ((0, 1, 2, 3), (3,), 2 * 1 / 5),
        ((0, 1), (5, 6), 0.0),
        ((), (5, 6), 0.0),
        ((0, 1), (), 0.0),
        ((), (), 0.0),
    ],
)
def test_dice_by_hand(one, other, expected):
    assert dice(mask(*one), mask(*other)) == pytest.approx(expected)
    assert dice(mask(*other), mask(*one)) == pytest.approx(expected)


def test_dice_falls_as_a_mask_moves_away():
    values = [dice(mask(0, 1, 2, 3), mask(*range(k, k + 4))) for k in range(5)]
    assert values == pytest.approx([1, 0.75, 0.5, 0.25, 0])


def test_the_pancreas_of_two_models_is_compared():
    assert agreement(labels(0, 1, 2), labels(1, 2, 3)) == pytest.approx(2 / 3)


def test_other_organs_are_no_agreement():
    assert agreement(labels(0, 1, label=5), labels(0, 1, label=5)) == 0


def test_what_lies_outside_the_region_does_not_count():
    region = (slice(0, 4), slice(None), slice(None))
    assert agreement(labels(0, 1, 8), labels(0, 1, 6, 7), region) == 1
    assert agreement(labels(8), labels(8), region) == 0


def test_the_objective_is_the_mean_over_volumes():
    score = totalsegmentator_dice([0.0, 0.5, 1.0, 0.5])
    assert (score.value, score.n) == (0.5, 4)
    assert 0 <= score.low < 0.5 < score.high <= 1
