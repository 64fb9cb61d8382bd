"""Peaks of a histogram are found where they were put, and in real scans where physics puts them."""

import numpy as np
import pytest

from evaluation.histograms.histogram import CENTERS_HU, scan_histograms
from evaluation.histograms.peaks import TISSUES, find_tissue_peaks, peak_distance_hu
from ldm.data.geometry.body import body_mask
from ldm.data.geometry.volume import read_volume

FLAT = np.full(200, 1 / 200)


def bump(*at_hu):
    """Return a histogram with a peak of 20 HU standard deviation at each given place."""
    peaks = [np.exp(-(((CENTERS_HU - hu) / 20) ** 2) / 2) for hu in at_hu]
    return sum(peaks, np.zeros(200)) / sum(map(np.sum, peaks))


def positions(body, grid=FLAT):
    return {peak.tissue: peak.hu for peak in find_tissue_peaks(body, grid)}


def test_each_peak_is_found_at_its_place_and_named():
    found = positions(bump(-815, -105, 55), bump(-995))
    assert found == {"air": -995, "lung": -815, "fat": -105, "soft tissue": 55}


def test_without_a_peak_nothing_is_found():
    assert set(positions(FLAT).values()) == {None}


def test_a_peak_outside_of_every_range_has_no_name():
    assert set(positions(bump(500)).values()) == {None}


def test_of_two_peaks_in_a_range_the_more_prominent_one_counts():
    assert positions(0.8 * bump(35) + 0.2 * bump(145))["soft tissue"] == 35


def test_a_missing_peak_counts_with_the_width_of_its_range():
    real = find_tissue_peaks(bump(-105, 55), FLAT)
    samples = find_tissue_peaks(bump(65), FLAT)
    assert peak_distance_hu(samples, real) == pytest.approx((150 + 10) / 2)


def test_a_peak_that_real_scans_lack_does_not_count():
    real, samples = (find_tissue_peaks(bump(*hu), FLAT) for hu in ((55,), (55, -105)))
    assert peak_distance_hu(samples, real) == 0


def test_real_scans_without_peaks_have_nothing_to_miss():
    assert peak_distance_hu(find_tissue_peaks(bump(55), FLAT), find_tissue_peaks(FLAT, FLAT)) == 0


@pytest.mark.parametrize("case", ["pancreas_901", "pancreas_902"])
def test_air_fat_and_soft_tissue_of_real_scans_lie_where_physics_puts_them(real_ct, case):
    hu = read_volume(real_ct / "imagesTr" / f"{case}.nii.gz").array
    found = positions(*scan_histograms(hu, body_mask(hu)))
    expected = {tissue.name: tissue.expected_hu for tissue in TISSUES if tissue.name != "lung"}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=30)
