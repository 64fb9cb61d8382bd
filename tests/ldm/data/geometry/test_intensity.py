"""One HU window, exactly invertible inside."""

import numpy as np
import pytest

from ldm.data.geometry.intensity import to_hu, to_unit


def test_each_whole_hu_inside_the_window_comes_back():
    hu = np.arange(-1000, 1001, dtype=np.float32)
    back = to_hu(to_unit(hu))
    np.testing.assert_allclose(back, hu, atol=2e-4)
    np.testing.assert_array_equal(np.rint(back), hu)


@pytest.mark.parametrize(("hu", "unit"), [(-1000, 0), (-500, 0.25), (40, 0.52), (1000, 1)])
def test_the_window_maps_to_zero_to_one(hu, unit):
    assert to_unit(np.array([hu], np.float32))[0] == pytest.approx(unit)
    assert to_hu(np.array([unit], np.float32))[0] == pytest.approx(hu, abs=1e-4)


def test_hu_outside_the_window_go_to_its_edges():
    hu = np.array([-3024, -1024, 1500, 3071], np.float32)
    assert to_unit(hu).tolist() == [0, 0, 1, 1]


def test_units_outside_zero_to_one_go_to_the_edges_of_the_window():
    assert to_hu(np.array([-0.2, 1.7], np.float32)).tolist() == [-1000, 1000]


def test_both_ways_keep_single_precision():
    hu = np.zeros((2, 3, 4), np.float32)
    assert to_unit(hu).dtype == to_hu(hu).dtype == np.float32
