"""How scores are measured: interval, null and reference, shown on a score computed by hand."""

import dataclasses

import numpy as np
import pytest

from evaluation.measurement import Better
from evaluation.metric import (
    Against,
    Metric,
    RealScans,
    measure,
    measure_anchors,
    null_score,
    real_score,
    score_of,
)
from evaluation.observation import Observation
from ldm.errors import InputError


def seen(*values):
    """Return observations that differ in one number only, the share of air."""
    histograms = [np.eye(200)[0] * value for value in values]
    return tuple(
        Observation(
            name=str(value),
            body_histogram=histogram,
            grid_histogram=histogram,
            thumbnail=np.zeros((2, 2, 2), np.float16),
            features={},
            organs=(),
        )
        for value, histogram in zip(values, histograms, strict=True)
    )


def metric(against):
    """Return a score: the difference of the mean shares of air, or the mean without reference."""

    def prepare(samples, reference):
        ours, real = (
            np.array([o.body_histogram[0] for o in part]) for part in (samples, reference)
        )

        def statistic(chosen, others):
            return float(ours[chosen].mean() - (real[others].mean() if len(others) else 0))

        return statistic

    return Metric(
        name="air", unit="", better=Better.LOWER, against=against, empty="0", prepare=prepare
    )


@pytest.fixture
def scans():
    return RealScans(held_out=seen(1, 3), training=seen(10, 20, 30))


@pytest.mark.parametrize(
    ("against", "value"),
    [(Against.HELD_OUT, 5 - 2), (Against.TRAINING, 5 - 20), (Against.NOTHING, 5)],
)
def test_samples_are_compared_with_the_scans_that_the_score_names(scans, against, value):
    assert score_of(metric(against), seen(4, 6), scans).value == pytest.approx(value)


def test_the_interval_is_over_the_samples_alone(scans):
    score = score_of(metric(Against.HELD_OUT), seen(4, 6), scans)
    assert (score.low, score.high, score.n) == (4 - 2, 6 - 2, 2)


def test_without_training_scans_what_needs_them_is_refused(scans):
    alone = RealScans(held_out=scans.held_out, training=())
    assert not alone.can_measure(metric(Against.TRAINING))
    with pytest.raises(InputError, match="air compares with training scans, none were given"):
        score_of(metric(Against.TRAINING), seen(4), alone)


def test_the_null_is_between_disjoint_parts_of_all_real_scans():
    null = null_score(metric(Against.HELD_OUT), seen(0, 1), n=1, n_reference=1)
    assert (null.low, null.high, null.n) == (-1, 1, 1)  # a scan is never compared with itself


def test_the_null_says_its_n_where_there_are_too_few_real_scans(scans):
    assert real_score(metric(Against.HELD_OUT), scans, n=8).n == 2


def test_real_against_real_takes_two_scans():
    with pytest.raises(InputError, match="needs two or more, there is 1"):
        null_score(metric(Against.HELD_OUT), seen(1), n=8, n_reference=1)


def test_against_training_scans_the_held_out_ones_stand_for_real(scans):
    assert real_score(metric(Against.TRAINING), scans, n=8).value == pytest.approx(2 - 20)


def test_a_measurement_has_the_score_between_its_anchors(scans):
    one = metric(Against.NOTHING)
    anchors = measure_anchors(one, scans, seen(100, 100), n=2)
    measured = measure(one, seen(51, 51), scans, anchors)
    assert measured.normalized == pytest.approx((51 - 100) / (2 - 100))


def test_the_same_seed_gives_the_same_interval(scans):
    first, second = (real_score(metric(Against.HELD_OUT), scans, n=2, seed=3) for _ in range(2))
    assert first == second


def test_one_segmented_scan_has_no_other_to_be_compared_with(scans):
    of_organs = dataclasses.replace(metric(Against.HELD_OUT), needs_organs=True)
    assert scans.can_measure(metric(Against.HELD_OUT))
    assert not scans.can_measure(of_organs)
