"""Narrow peaks of a histogram are found, wide ones and those of few values are not."""

import numpy as np

from ldm.data.geometry.hu_peaks import narrow_peaks


def normal(mean_hu, spread_hu, n=20_000):
    return np.random.default_rng(0).normal(mean_hu, spread_hu, n)


def test_the_peaks_of_fat_and_of_soft_tissue_are_found():
    fat_hu, tissue_hu = narrow_peaks(np.concatenate([normal(-100, 20), normal(60, 20, 10_000)]))
    assert abs(fat_hu + 100) < 10
    assert abs(tissue_hu - 60) < 10


def test_a_wide_peak_says_nothing():
    assert narrow_peaks(normal(0, 100)) == ()


def test_few_values_have_no_peaks():
    assert narrow_peaks(normal(-100, 20, 9000)) == ()


def test_values_outside_the_range_have_no_peaks():
    assert narrow_peaks(normal(-1000, 20)) == ()
