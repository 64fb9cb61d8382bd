"""Synthetic landscapes: their best settings, their cliffs and copies, and the area of a front."""

import dataclasses

import numpy as np
import pytest

from ldm.config import Crop, InputSize
from ldm.recipes import demo
from search_spaces.landscape import (
    CLIFFS,
    COPIES,
    EQUAL_SIZES,
    LANDSCAPE,
    NOISE,
    Quality,
    hypervolume,
)
from search_spaces.space import Point, configure


def trial(learning_rate, gamma=0.5, size=InputSize.FIT):
    point = Point(
        learning_rate=learning_rate,
        gamma=gamma,
        first_milestone=0.25,
        milestone_gap=1 / 3,
        input_size=size,
    )
    return configure(demo(Crop.PANCREAS), point)


def test_the_distance_is_best_where_both_learning_rates_are():
    """The mean rate is (1/4 + 1/2 * 1/4 + 1/4 * 1/2) of the first one, and the last is 1/4."""
    landscape = dataclasses.replace(LANDSCAPE, best_mean_rate=5e-5, best_last_rate=2.5e-5)
    assert landscape.quality(trial(1e-4)).distance == pytest.approx(1)
    for rate in (5e-5, 2e-4):
        assert landscape.quality(trial(rate)).distance < 0.9


def test_an_input_size_has_its_factor_of_both_scores():
    fit, scan = (LANDSCAPE.quality(trial(1e-4, size=size)) for size in ("fit", "512x512xZ"))
    assert (scan.distance, scan.dice) == pytest.approx((0.8 * fit.distance, 0.8 * fit.dice))
    fit, scan = (EQUAL_SIZES.quality(trial(1e-4, size=size)) for size in ("fit", "512x512xZ"))
    assert fit == scan


def test_learning_rates_above_a_cliff_fail():
    assert [CLIFFS[0].fails(trial(rate)) for rate in (3.9e-4, 4.1e-4)] == [False, True]
    assert not LANDSCAPE.fails(trial(1e-3))


def test_copies_score_as_real_scans():
    assert COPIES.copies(trial(1e-3)) and not COPIES.copies(trial(1e-4))
    assert COPIES.quality(trial(1e-3)) == Quality(distance=1, dice=1)


def test_raw_scores_lie_between_the_floor_and_the_ceiling_of_their_input_size():
    """Copies score as real scans: 8 HU and a Dice of 0.52 in fit, 15 HU and 0.25 in 512x512xZ."""
    for size, distance_hu, dice in ((InputSize.FIT, 8, 0.52), (InputSize.SCAN, 15, 0.25)):
        drawn = [COPIES.raw(trial(1e-3, size=size), np.random.default_rng(i)) for i in range(400)]
        close = pytest.approx((distance_hu, dice), rel=0.05)
        assert tuple(np.mean(drawn, axis=0)) == close
        assert np.std(drawn, axis=0)[1] == pytest.approx((dice - 0.03) * NOISE, rel=0.2)


@pytest.mark.parametrize(
    ("scores", "area"),
    [
        ([], 0),
        ([(0.5, 0.5)], 0.25),
        ([(0.5, 0.5), (0.4, 0.4)], 0.25),
        ([(1, 0.2), (0.5, 0.6)], 0.2 + 0.5 * 0.4),
        ([(0.5, 0.6), (1, 0.2), (0.5, 0.3)], 0.2 + 0.5 * 0.4),
    ],
)
def test_the_area_of_a_front_by_hand(scores, area):
    qualities = [Quality(distance=distance, dice=dice) for distance, dice in scores]
    assert hypervolume(qualities) == pytest.approx(area)


def test_a_trial_has_learned_less_before_its_end():
    one = trial(1e-4)
    so_far = [LANDSCAPE.quality(one, progress).dice for progress in (0.125, 0.25, 0.5, 1.0)]
    assert so_far == sorted(so_far)
    assert LANDSCAPE.quality(one, 1.0) == LANDSCAPE.quality(one)


def test_an_early_look_can_mislead():
    """A high learning rate learns fast and overshoots; a low one is better in the end."""
    low, high = trial(2e-5, gamma=0.9), trial(1e-4, gamma=0.9)
    early, late = (
        [LANDSCAPE.quality(one, progress).distance for one in (low, high)]
        for progress in (0.125, 1.0)
    )
    assert early[0] < early[1]
    assert late[0] > late[1]
