"""The Fréchet distance: by hand, against other formulas, and resampled by volume, not by slice."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from evaluation.features.frechet import frechet_distance, frechet_metric
from evaluation.metric import RealScans, real_score, score_of
from evaluation.observation import Observation
from ldm.errors import InputError


def observed(**features):
    nothing = np.zeros(200)
    return Observation(
        name="scan",
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.zeros((2, 2, 2), np.float16),
        features={part: np.asarray(rows, np.float32) for part, rows in features.items()},
        organs=(),
    )


def volumes(n, *, slices=4, channels=6, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return [observed(net=rng.normal(shift, 1, (slices, channels))) for _ in range(n)]


def rows_of(chosen):
    return np.concatenate([one.features["net"] for one in chosen]).astype(np.float64)


def by_square_root(first, second):
    """Compute Heusel 2017, eq. 6, literally."""
    apart = first.mean(axis=0) - second.mean(axis=0)
    one, other = np.cov(first.T), np.cov(second.T)
    return apart @ apart + np.trace(one + other - 2 * sqrtm(one @ other).real)


def test_gaussians_on_a_line_by_hand():
    """Expected is (m1 - m2)^2 + (s1 - s2)^2 for the means 1 and 5 and the variances 2 and 8."""
    first, second = np.array([[0.0], [2.0]]), np.array([[3.0], [7.0]])
    assert frechet_distance(first, second) == pytest.approx(16 + (2**0.5 - 8**0.5) ** 2)


def test_independent_channels_add_up():
    """Two uncorrelated channels have the variance 2/3 in one set and 8/3 in the other."""
    cross = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    expected = 2 * ((2 / 3) ** 0.5 - (8 / 3) ** 0.5) ** 2
    assert frechet_distance(cross, 2 * cross) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(40, 50), (7, 9), (2, 30)])
def test_it_is_what_the_square_root_of_matrices_gives(n, m):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(12, 12))
    first, second = rng.normal(size=(n, 12)) @ mixing, rng.normal(0.5, 2, (m, 12))
    assert frechet_distance(first, second) == pytest.approx(by_square_root(first, second), rel=1e-5)


def test_a_common_offset_changes_nothing():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(9, 20)), rng.normal(1, 2, (8, 20))
    near = frechet_distance(first, second)
    assert frechet_distance(first + 1e5, second + 1e5) == pytest.approx(near, rel=1e-6)


def test_a_volume_drawn_twice_counts_twice():
    samples, reference = volumes(3), volumes(4, shift=1, seed=1)
    statistic = frechet_metric("net").prepare(samples, reference)
    found = statistic(np.array([2, 0, 2]), np.array([1, 1, 3]))
    first = rows_of([samples[2], samples[0], samples[2]])
    second = rows_of([reference[1], reference[1], reference[3]])
    assert found == pytest.approx(by_square_root(first, second), rel=1e-5)


def test_volumes_may_have_unlike_numbers_of_slices():
    samples = [*volumes(1, slices=2), *volumes(2, slices=5, seed=3)]
    reference = [*volumes(1, slices=7, seed=4), *volumes(1, slices=3, seed=5)]
    statistic = frechet_metric("net").prepare(samples, reference)
    found = statistic(np.array([1, 0]), np.array([1, 0]))
    first = rows_of([samples[1], samples[0]])
    assert found == pytest.approx(by_square_root(first, rows_of(reference)), rel=1e-5)


def test_planes_are_compared_each_with_its_own_and_averaged():
    """The means of the planes are 1, 2 and 3 apart, with equal variances."""
    names = ("radimagenet_axial", "radimagenet_coronal", "radimagenet_sagittal")
    sample = observed(**{name: [[-1], [1]] for name in names})
    real = observed(**{name: [[by - 1], [by + 1]] for by, name in enumerate(names, start=1)})
    value = frechet_metric("radimagenet").value([sample], [real])
    assert value == pytest.approx((1 + 4 + 9) / 3)


def test_one_volume_of_several_slices_has_a_distance():
    assert frechet_metric("net").value(volumes(1), volumes(3, seed=1)) > 0


def test_a_single_slice_has_no_covariance():
    with pytest.raises(InputError, match="2 slices or more on either side, got 1"):
        frechet_metric("net").value(volumes(1, slices=1), volumes(3))


def test_it_falls_with_the_number_of_slices():
    """Fewer slices of the same distribution score higher: the bias of Chong & Forsyth 2020."""
    metric = frechet_metric("net")
    few = np.mean([metric.value(volumes(2, seed=i), volumes(9, seed=50 + i)) for i in range(20)])
    many = np.mean([metric.value(volumes(9, seed=i), volumes(9, seed=50 + i)) for i in range(20)])
    assert few > 1.5 * many


def test_the_interval_lies_about_the_value_and_reaches_the_null():
    """Draws with repeats score higher, yet samples of the real distribution must look real."""
    held_out, training, samples = (volumes(16, channels=60, seed=seed) for seed in range(3))
    scans = RealScans(held_out=held_out, training=training)
    score = score_of(frechet_metric("net"), samples, scans)
    null = real_score(frechet_metric("net"), scans, n=16)
    assert score.low < score.value < score.high
    assert score.low < null.high
