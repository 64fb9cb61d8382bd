"""Slices that are out of order are recognized, and sound scans are not suspected."""

import numpy as np
import pytest

from ldm.data.geometry.slice_order import misplacement, require_ordered_slices
from ldm.data.phantom.phantom import make_phantom
from ldm.errors import ScanError


@pytest.fixture(scope="module")
def scan():
    return np.asarray(make_phantom(0).scan.array)


def by_name(n):
    return sorted(range(n), key=str)


def odd_then_even(n):
    return [*range(0, n, 2), *range(1, n, 2)]


def two_swapped(n):
    order = list(range(n))
    order[n // 3], order[n // 2] = order[n // 2], order[n // 3]
    return order


@pytest.mark.parametrize("order", [by_name, odd_then_even, two_swapped])
def test_slices_out_of_order_are_refused(scan, order):
    with pytest.raises(ScanError, match=r"slices must be in order, .* slices of a\.nii resemble"):
        require_ordered_slices(scan[..., order(scan.shape[2])], "a.nii")


@pytest.mark.parametrize("step", [1, 3, 6])
@pytest.mark.parametrize("noise_hu", [0, 100])
def test_thick_or_noisy_slices_in_order_are_accepted(scan, step, noise_hu):
    noise = np.random.default_rng(0).normal(0, noise_hu, scan.shape).astype(np.float32)
    require_ordered_slices((scan + noise)[..., ::step], "a.nii")


def test_head_first_is_an_order_too(scan):
    require_ordered_slices(scan[..., ::-1], "a.nii")


def test_single_slices_of_padding_at_both_ends_do_not_count(scan):
    padded = scan.copy()
    padded[..., [0, -1]] = -1000
    require_ordered_slices(padded, "a.nii")


def test_of_few_slices_nothing_is_said(scan):
    require_ordered_slices(scan[..., [5, 40, 6, 41, 7, 42, 8]], "a.nii")


def test_misplacement_by_hand():
    """Slices of 0, 100, 200, ... HU, but the sixth one has 250 HU: it belongs elsewhere."""
    values = np.array([0, 100, 200, 300, 400, 250, 500, 600, 700, 800], np.float32)
    found = misplacement(np.broadcast_to(values, (32, 32, 10)).copy())
    assert found[5] == pytest.approx(150 / 50)
    assert found[0] == pytest.approx(100 / 250)
    assert (np.delete(found, 5) <= 2).all()
