"""What every score of features must satisfy, with any network."""

import numpy as np
import pytest
from scipy import ndimage

from evaluation.features.metrics import feature_metrics
from evaluation.measurement import Better
from evaluation.metric import RealScans, null_score, real_score, score_of
from evaluation.observation import Observation

NETWORK = "net"
METRICS = feature_metrics(NETWORK)
FRECHET, MMD, DENSITY, COVERAGE = METRICS


def each(*metrics):
    return pytest.mark.parametrize("metric", metrics, ids=lambda metric: metric.name)


def observed(rows, name="scan"):
    nothing = np.zeros(200)
    return Observation(
        name=name,
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.zeros((2, 2, 2), np.float16),
        features={NETWORK: np.asarray(rows, np.float32)},
        organs=(),
    )


def volumes(n, *, shift=0.0, seed=0, channels=6):
    """Return observations of volumes of four slices, each volume with a mean of its own."""
    rng = np.random.default_rng(seed)
    places = rng.normal(shift, 1, (n, 1, channels))
    return [observed(rows) for rows in places + rng.normal(0, 0.3, (n, 4, channels))]


def test_a_network_has_four_scores_of_its_name():
    assert [metric.name for metric in METRICS] == [
        "frechet_net",
        "mmd_net",
        "density_net",
        "coverage_net",
    ]
    assert [metric.better for metric in METRICS] == [Better.LOWER] * 2 + [Better.HIGHER] * 2


def test_identical_sets_score_best():
    same = volumes(8)
    assert FRECHET.value(same, same) == pytest.approx(0, abs=1e-9)
    assert MMD.value(same, same) <= 0
    assert DENSITY.value(same, same) >= 1
    assert COVERAGE.value(same, same) == 1


@each(FRECHET, MMD)
def test_distances_are_symmetric(metric):
    first, second = volumes(5), volumes(7, shift=1, seed=1)
    assert metric.value(first, second) == pytest.approx(metric.value(second, first))


@each(*METRICS)
def test_the_order_of_volumes_is_of_no_account(metric):
    first, second = volumes(5), volumes(7, shift=0.5, seed=1)
    assert metric.value(first[::-1], second[::-1]) == pytest.approx(metric.value(first, second))


@each(*METRICS)
def test_volumes_prepared_together_score_as_apart(metric):
    first, second = volumes(5), volumes(7, shift=0.5, seed=1)
    pool = (*second, *first)
    together = metric.prepare(pool, pool)(np.arange(7, 12), np.arange(7))
    assert together == pytest.approx(metric.value(first, second))


@each(*METRICS)
def test_the_further_off_the_worse(metric):
    real = volumes(12, seed=1)
    near, far = (metric.value(volumes(8, shift=shift), real) for shift in (0.0, 3.0))
    assert far > near if metric.better is Better.LOWER else far < near


@each(*METRICS)
def test_features_that_are_all_the_same_have_a_score(metric):
    """Volumes of air have such features."""
    air = [observed(np.full((4, 6), 0.3)) for _ in range(4)]
    best = metric.value(air, air)
    assert best == pytest.approx({FRECHET: 0, MMD: 0}.get(metric, best), abs=1e-9)
    assert np.isfinite(metric.value(air, volumes(5)))
    assert np.isfinite(metric.value(volumes(5), air))


@each(FRECHET, DENSITY, COVERAGE)
def test_one_sample_has_a_score_without_an_interval(metric):
    score = score_of(metric, volumes(1), RealScans(held_out=volumes(6, seed=1), training=()))
    assert score.low == score.value == score.high
    assert np.isfinite(score.value)


@each(*METRICS)
def test_draws_of_two_samples_all_have_a_score(metric):
    """Half of the bootstrap draws of two samples hold one volume twice."""
    score = score_of(metric, volumes(2), RealScans(held_out=volumes(6, seed=1), training=()))
    assert np.isfinite([score.value, score.low, score.high]).all()


@each(FRECHET, MMD)
def test_what_real_scans_score_is_near_the_best(metric):
    scans = RealScans(held_out=volumes(8, seed=1), training=volumes(8, seed=2))
    null = real_score(metric, scans, n=8)
    shifted = score_of(metric, volumes(8, shift=2), scans)
    assert null.high < shifted.low


def test_more_blur_scores_worse_than_less_as_pictures_do():
    """The features are the pixels of images, so the score must grow with the blur."""
    rng = np.random.default_rng(0)

    def pictures(sigma):
        noise = rng.normal(size=(10, 4, 6, 6))
        blurred = ndimage.gaussian_filter(noise, (0, 0, sigma, sigma))
        return [observed(one.reshape(4, 36)) for one in blurred]

    real = pictures(0)
    values = [FRECHET.value(pictures(sigma), real) for sigma in (0, 1, 2)]
    assert values == sorted(values)


def test_the_null_needs_a_pool_of_two():
    null = null_score(FRECHET, volumes(2), n=4, n_reference=1)
    assert null.n == 1
    assert null.low > 0
