"""The histogram distance: by hand, against SciPy, the null and the empty case."""

import numpy as np
import pytest
from scipy import stats

from evaluation.histograms.histogram import (
    CENTERS_HU,
    EDGES_HU,
    WORST_HU,
    body_histograms,
    distance_hu,
    divergence,
    jensen_shannon,
    scan_histograms,
    wasserstein_hu,
    whole_grid_histograms,
)

NO_BODY = np.zeros((1, 200))


def spike(bin_index):
    """Return a histogram with all voxels in one bin, shape (1, 200)."""
    histogram = np.zeros((1, 200))
    histogram[0, bin_index] = 1
    return histogram


def random_histograms(n, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(200), n)


def body(tissue_hu):
    """Return a block of tissue in air, 512 of 1728 voxels."""
    hu = np.full((12, 12, 12), -1000, np.float32)
    hu[2:10, 2:10, 2:10] = tissue_hu
    return hu


def test_bins_are_10_hu_wide_and_fill_the_window():
    assert (len(CENTERS_HU), CENTERS_HU[0], CENTERS_HU[-1]) == (200, -995, 995)
    assert (EDGES_HU[0], EDGES_HU[-1]) == (-1000, 1000)


def test_a_scan_is_counted_inside_its_body_and_on_the_whole_grid():
    inside, everywhere = scan_histograms(body(44), body(44) > 0)
    assert inside[104] == inside.sum() == 1  # 40 to 50 HU
    assert everywhere[104] == pytest.approx(512 / 1728)
    assert everywhere.sum() == pytest.approx(1)


@pytest.mark.parametrize(("hu", "bin_index"), [(-3024, 0), (-1000, 0), (1000, 199), (3071, 199)])
def test_hu_outside_the_window_count_at_its_edges(hu, bin_index):
    array = np.full((2, 2, 2), hu, np.float32)
    assert scan_histograms(array, np.ones(array.shape, bool))[0][bin_index] == 1


def test_an_empty_mask_gives_an_empty_histogram():
    assert not scan_histograms(body(44), np.zeros((12, 12, 12), bool))[0].any()


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_counts_are_those_of_numpy_in_any_order_of_memory(axes):
    hu = np.random.default_rng(0).integers(-1200, 1200, (7, 6, 5)).astype(np.float32)
    hu, mask = hu.transpose(axes), (hu > 0).transpose(axes)
    expected = np.histogram(hu[mask].clip(-1000, 1000), EDGES_HU)[0] / mask.sum()
    np.testing.assert_allclose(scan_histograms(hu, mask)[0], expected)


def test_each_volume_has_its_own_body():
    histograms = body_histograms([body(44), body(-95), np.full((4, 4, 4), -1000, np.float32)])
    assert histograms.shape == (3, 200)
    assert histograms[0, 104] == histograms[1, 90] == 1
    assert not histograms[2].any()


def test_the_whole_grid_counts_the_air_too():
    (histogram,) = whole_grid_histograms([body(44)])
    assert histogram[104] == pytest.approx(512 / 1728)
    assert histogram[0] == pytest.approx(1216 / 1728)


@pytest.mark.parametrize("k", [0, 1, 7, 100])
def test_a_shift_by_k_bins_is_10_k_hu(k):
    assert wasserstein_hu(spike(50)[0], spike(50 + k)[0]) == pytest.approx(10 * k)
    spread = random_histograms(1)[0] * (np.arange(200) < 100)
    assert wasserstein_hu(spread, np.roll(spread, k)) == pytest.approx(10 * k * spread.sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_distance_is_that_of_scipy(seed):
    one, other = random_histograms(2, seed)
    expected = stats.wasserstein_distance(CENTERS_HU, CENTERS_HU, one, other)
    assert wasserstein_hu(one, other) == pytest.approx(expected)


def test_the_distance_is_symmetric():
    one, other = random_histograms(2)
    assert wasserstein_hu(one, other) == pytest.approx(wasserstein_hu(other, one))


def test_identical_sets_have_no_distance():
    histograms = random_histograms(5)
    assert distance_hu(histograms, histograms) == 0


def test_sets_are_compared_by_their_averages():
    one = np.concatenate([spike(90), spike(110)])
    assert distance_hu(one, np.concatenate([spike(110), spike(90)])) == 0
    assert distance_hu(one, spike(100)) == pytest.approx(100)  # each half moves 10 bins


def test_the_distance_does_not_depend_on_the_order():
    samples, reference = random_histograms(6, 0), random_histograms(4, 1)
    shuffled = samples[[3, 1, 5, 0, 2, 4]]
    assert distance_hu(shuffled, reference) == pytest.approx(distance_hu(samples, reference))


def test_samples_without_a_body_are_as_bad_as_the_window_allows():
    assert WORST_HU == 2000
    assert distance_hu(np.concatenate([NO_BODY, NO_BODY]), spike(100)) == 2000


def test_each_sample_without_a_body_counts_with_its_share():
    samples = np.concatenate([spike(103), spike(103), spike(103), NO_BODY])
    assert distance_hu(samples, spike(100)) == pytest.approx(0.75 * 30 + 0.25 * 2000)


def test_a_reference_scan_without_a_body_is_left_out():
    assert distance_hu(spike(103), np.concatenate([spike(100), NO_BODY])) == pytest.approx(30)


@pytest.mark.parametrize("shift_hu", [10, 40, 160])
def test_the_distance_grows_with_a_shift_of_hu(shift_hu):
    real = body_histograms([body(44)])
    assert distance_hu(body_histograms([body(44 + shift_hu)]), real) == pytest.approx(shift_hu)


def test_histograms_with_no_hu_in_common_differ_by_one_bit():
    assert jensen_shannon(spike(3)[0], spike(4)[0]) == pytest.approx(1)
    assert jensen_shannon(spike(3)[0], spike(3)[0]) == pytest.approx(0)


def test_the_divergence_of_a_half_is_worked_out_by_hand():
    halves = (spike(3)[0] + spike(4)[0]) / 2
    # against their mean (3/4, 1/4): [log2(4/3)] / 2 + [log2(2/3) / 2 + log2(2) / 2] / 2
    expected = np.log2(4 / 3) / 2 + (np.log2(2 / 3) / 2 + 0.5) / 2
    assert jensen_shannon(spike(3)[0], halves) == pytest.approx(expected)


def test_the_divergence_of_averages_that_differ_by_rounding_is_a_number():
    """SciPy's version is NaN for about half of these: it takes the root of a negative number."""
    for seed in range(20):
        histograms = np.random.default_rng(seed).dirichlet(np.ones(200), 3)
        averages = histograms.mean(axis=0), histograms[::-1].mean(axis=0)
        assert 0 <= jensen_shannon(*averages) < 1e-15


def test_the_divergence_of_a_sample_without_a_body_is_a_bit():
    samples = np.concatenate([spike(100), NO_BODY])
    assert divergence(samples, spike(100)) == pytest.approx(0.5)
