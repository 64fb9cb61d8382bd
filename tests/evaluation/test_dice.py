"""Dice, computed by hand."""

import numpy as np
import pytest

from evaluation.organs.dice import dice


def mask(*voxels):
    """Return ten voxels in a row, of which the given ones are set."""
    array = np.zeros((10, 1, 1), bool)
    array[list(voxels)] = True
    return array


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
