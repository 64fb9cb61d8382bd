"""Density and coverage of volumes with a single feature, computed by hand."""

import numpy as np
import pytest

from evaluation.features.coverage import coverage_metric, density_metric, n_neighbors, radii
from evaluation.observation import Observation
from ldm.errors import InputError

DENSITY, COVERAGE = density_metric("net"), coverage_metric("net")


def on_a_line(*places):
    """Return observations of volumes with a single feature, its values given."""
    nothing = np.zeros(200)
    return [
        Observation(
            name=f"at_{place}",
            body_histogram=nothing,
            grid_histogram=nothing,
            thumbnail=np.zeros((2, 2, 2), np.float16),
            features={"net": np.array([[place]], np.float32)},
            organs=(),
        )
        for place in places
    ]


REAL = on_a_line(0, 1, 3)  # k = 2: neighborhoods of 3, 2 and 3 about 0, 1 and 3


@pytest.mark.parametrize(("n", "k"), [(2, 1), (5, 4), (6, 5), (100, 5)])
def test_there_are_five_neighbors_or_all_others(n, k):
    assert n_neighbors(n) == k


def test_the_radius_is_the_distance_of_the_kth_other():
    places = np.array([[0.0], [1.0], [3.0], [7.0]])
    among = abs(places - places.T)
    assert radii(among, 1).tolist() == [1, 1, 2, 4]
    assert radii(among, 2).tolist() == [3, 2, 3, 6]


def test_density_by_hand():
    """Sample 2 lies in all three neighborhoods, 5 in one, -2.5 in one, and 9 in none."""
    assert DENSITY.value(on_a_line(2), REAL) == 1.5
    assert DENSITY.value(on_a_line(2, 5, -2.5, 9), REAL) == pytest.approx((3 + 1 + 1) / (2 * 4))


def test_a_neighborhood_has_its_border():
    """The sample 3 has distance 3 from 0 and 2 from 1. A volume of air covers another one."""
    assert DENSITY.value(on_a_line(3), REAL) == 1.5
    assert COVERAGE.value(on_a_line(7, 7), on_a_line(7, 7, 7)) == 1


def test_coverage_by_hand():
    """Sample -2.5 covers only 0, 5 covers only 3, 2 covers all, and 9 covers none."""
    assert COVERAGE.value(on_a_line(-2.5), REAL) == pytest.approx(1 / 3)
    assert COVERAGE.value(on_a_line(-2.5, 5), REAL) == pytest.approx(2 / 3)
    assert COVERAGE.value(on_a_line(2), REAL) == 1
    assert COVERAGE.value(on_a_line(9), REAL) == 0


def test_copies_of_one_scan_are_dense_and_cover_little():
    real = on_a_line(*range(0, 20))
    copies = on_a_line(*[3] * 20)
    assert DENSITY.value(copies, real) > 1
    assert COVERAGE.value(copies, real) < 0.4


def test_a_scan_drawn_twice_is_not_its_own_neighbor():
    for metric in (DENSITY, COVERAGE):
        statistic = metric.prepare(on_a_line(5), REAL)
        once = statistic(np.array([0]), np.array([0, 1, 2]))
        assert statistic(np.array([0]), np.array([0, 1, 1, 2, 2])) == once


def test_neighbors_are_only_those_drawn():
    """If 1 is not drawn, the neighborhoods of 0 and 3 both have radius 3."""
    statistic = DENSITY.prepare(on_a_line(5), REAL)
    assert statistic(np.array([0]), np.array([0, 2])) == 1


@pytest.mark.parametrize("metric", [DENSITY, COVERAGE], ids=lambda metric: metric.name)
def test_a_single_real_scan_has_no_neighbor(metric):
    with pytest.raises(InputError, match="2 real scans or more, got 1"):
        metric.value(on_a_line(1, 2), on_a_line(1))
