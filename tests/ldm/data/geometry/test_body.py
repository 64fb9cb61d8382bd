"""The body: the largest thing that is not air, with what it encloses."""

import numpy as np
import pytest

from ldm.data.geometry.body import body_mask

TRUNK = (slice(4, 16), slice(5, 15), slice(0, 6))
LUNG = (slice(6, 9), slice(7, 11), slice(1, 5))
TABLE = (slice(3, 17), slice(1, 2), slice(0, 6))


@pytest.fixture
def hu():
    """A trunk of soft tissue in air, 20 x 20 x 6 voxels."""
    array = np.full((20, 20, 6), -1000, np.float32)
    array[TRUNK] = 40
    return array


def test_air_alone_has_no_body(hu):
    assert not body_mask(np.full_like(hu, -1000)).any()


def test_the_trunk_is_the_body(hu):
    expected = np.zeros(hu.shape, bool)
    expected[TRUNK] = True
    np.testing.assert_array_equal(body_mask(hu), expected)


def test_lungs_inside_count_as_body(hu):
    without = body_mask(hu)
    hu[LUNG] = -850
    np.testing.assert_array_equal(body_mask(hu), without)


def test_lungs_that_leave_the_scan_at_its_top_count_as_body(hu):
    without = body_mask(hu)
    hu[LUNG[0], LUNG[1], :] = -850
    np.testing.assert_array_equal(body_mask(hu), without)


def test_the_table_is_left_out(hu):
    without = body_mask(hu)
    hu[TABLE] = 100
    np.testing.assert_array_equal(body_mask(hu), without)


@pytest.mark.parametrize(("tissue_hu", "n_voxels"), [(-301, 0), (-300, 0), (-299, 720)])
def test_what_is_above_minus_300_hu_is_body(hu, tissue_hu, n_voxels):
    hu[TRUNK] = tissue_hu  # 12 x 10 x 6 voxels
    assert body_mask(hu).sum() == n_voxels
