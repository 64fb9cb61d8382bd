"""Slices that no scanner measured: filled with one value, or repeated."""

import numpy as np
import pytest

from ldm.data.geometry.lost_slices import require_measured_slices
from ldm.errors import ScanError

N_SLICES = 20


@pytest.fixture
def scan():
    return np.random.default_rng(0).normal(0, 20, (6, 5, N_SLICES)).astype(np.float32)


def refusal_of(scan):
    with pytest.raises(ScanError) as caught:
        require_measured_slices(scan, "a.nii")
    return str(caught.value)


def test_measured_slices_are_accepted(scan):
    require_measured_slices(scan, "a.nii")


def test_filled_slices_are_counted_and_named(scan):
    scan[..., 4:6] = -1000
    scan[..., 9] = 0
    assert "a.nii has 3 of 20 slices (z = 4, 5, 9, from 0 at the feet) without" in refusal_of(scan)


def test_slices_of_one_value_at_the_ends_are_accepted(scan):
    scan[..., :3] = scan[..., -1:] = -1000
    require_measured_slices(scan, "a.nii")


def test_a_repeated_slice_is_named(scan):
    scan[..., 8] = scan[..., 7]
    assert "a.nii repeats 1 of 20 slices (z = 8," in refusal_of(scan)


def test_of_many_slices_the_first_are_listed(scan):
    scan[..., 1::2] = scan[..., ::2]
    assert "repeats 10 of 20 slices (z = 1, 3, 5, 7, 9, ...," in refusal_of(scan)


def test_a_slice_that_equals_a_distant_one_is_accepted(scan):
    scan[..., 9] = scan[..., 7]
    require_measured_slices(scan, "a.nii")


def test_whether_a_scan_is_empty_is_for_another_check(scan):
    require_measured_slices(np.zeros_like(scan), "a.nii")
