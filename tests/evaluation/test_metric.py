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
from evaluation.observation import Observation, OrganFinding
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
    assert alone.reason_against(metric(Against.TRAINING)) is not None
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


@pytest.mark.parametrize(("n_samples", "n_real"), [(4, 4), (3, 4), (4, 3)])
def test_a_measurement_has_the_score_between_its_anchors_if_there_are_four(n_samples, n_real):
    scans = RealScans(held_out=seen(*range(2, 2 + n_real)), training=())
    one = metric(Against.NOTHING)
    anchors = measure_anchors(one, scans, seen(100, 101), n=n_samples)
    measured = measure(one, seen(*range(51, 51 + n_samples)), scans, anchors)
    between = pytest.approx((52.5 - 100.5) / (3.5 - 100.5))
    assert measured.normalized == (between if n_samples == n_real == 4 else None)


def test_the_same_seed_gives_the_same_interval(scans):
    first, second = (real_score(metric(Against.HELD_OUT), scans, n=2, seed=3) for _ in range(2))
    assert first == second


def test_one_segmented_scan_has_no_other_to_be_compared_with(scans):
    of_organs = dataclasses.replace(metric(Against.HELD_OUT), needs_organs=True)
    assert scans.reason_against(metric(Against.HELD_OUT)) is None
    assert scans.reason_against(of_organs) is not None


def organ():
    return OrganFinding(organ="pancreas", agreement=0.5, volume_ml=80.0, centroid_mm=None)


def segmented(*values):
    return tuple(dataclasses.replace(one, organs=(organ(),)) for one in seen(*values))


def test_a_value_is_of_all_samples_and_the_whole_reference():
    assert metric(Against.HELD_OUT).value(seen(4, 6), seen(1, 2)) == pytest.approx(5 - 1.5)


@pytest.mark.parametrize(
    ("against", "reference"),
    [(Against.HELD_OUT, (1, 3)), (Against.TRAINING, (10, 20, 30)), (Against.NOTHING, ())],
)
def test_a_score_knows_its_reference(scans, against, reference):
    assert [one.name for one in scans.reference(metric(against))] == [*map(str, reference)]


def test_two_training_scans_can_be_measured_by_and_one_cannot():
    two, one = (RealScans(held_out=seen(9), training=seen(*of)) for of in ((1, 2), (1,)))
    assert two.reason_against(metric(Against.TRAINING)) is None
    assert one.reason_against(metric(Against.TRAINING)) is not None


def test_what_is_judged_by_itself_can_always_be_measured():
    assert RealScans(held_out=(), training=()).reason_against(metric(Against.NOTHING)) is None


@pytest.mark.parametrize(
    ("n_held_out", "n_training", "can_measure"),
    [(2, 2, True), (4, 0, True), (1, 9, False), (2, 1, False)],
)
def test_a_score_of_two_volumes_takes_two_held_out_scans_and_four_in_all(
    n_held_out, n_training, can_measure
):
    of_two = dataclasses.replace(metric(Against.HELD_OUT), min_volumes=2)
    scans = RealScans(held_out=seen(*range(n_held_out)), training=seen(*range(10, 10 + n_training)))
    assert (scans.reason_against(of_two) is None) is can_measure


def test_scans_without_organs_are_left_out_of_the_pool_of_a_score_of_organs(scans):
    half = RealScans(held_out=segmented(1, 3), training=scans.training)
    of_organs = dataclasses.replace(metric(Against.HELD_OUT), needs_organs=True)
    assert [one.name for one in half.pool(of_organs)] == ["1", "3"]
    assert [one.name for one in half.pool(metric(Against.HELD_OUT))] == ["1", "3", "10", "20", "30"]


def test_the_null_keeps_scans_for_both_of_its_parts():
    """Of 5 scans at most 2 stand for samples; the reference has what is left, at most n."""
    sizes = set()

    def prepare(_samples, _reference):
        def statistic(chosen, others):
            sizes.add((len(chosen), len(others), len({*chosen, *others})))
            return 0.0

        return statistic

    counting = dataclasses.replace(metric(Against.HELD_OUT), prepare=prepare)
    assert null_score(counting, seen(*range(5)), n=8, n_reference=9).n == 2
    assert null_score(counting, seen(*range(5)), n=1, n_reference=2).n == 1
    assert sizes == {(2, 3, 5), (1, 2, 3)}


def test_the_null_of_two_scans_is_as_often_one_way_as_the_other():
    null = null_score(metric(Against.HELD_OUT), seen(0, 1), n=1, n_reference=1)
    assert null.value == pytest.approx(0, abs=0.1)


def test_anchors_are_of_real_scans_and_of_nonsense(scans):
    one = metric(Against.TRAINING)
    anchors = measure_anchors(one, scans, seen(100, 100), n=2)
    assert anchors.name == "air"
    assert anchors.real.value == pytest.approx(2 - 20)
    assert anchors.nonsense.value == pytest.approx(100 - 20)


def test_a_score_without_a_floor_has_no_nonsense(scans):
    one = dataclasses.replace(metric(Against.NOTHING), has_floor=False)
    assert measure_anchors(one, scans, seen(100), n=2).nonsense is None


def test_a_measurement_says_whose_score_it_is(scans):
    one = dataclasses.replace(metric(Against.NOTHING), unit="mm", better=Better.HIGHER)
    measured = measure(one, seen(51), scans, measure_anchors(one, scans, seen(100), n=2))
    assert (measured.name, measured.unit, measured.better) == ("air", "mm", Better.HIGHER)


@pytest.mark.parametrize("against", Against)
def test_a_seed_is_that_of_every_interval(scans, against):
    one = metric(against)
    real = [real_score(one, scans, n=2, seed=seed) for seed in (0, 0, 5)]
    drawn = [score_of(one, seen(*range(9)), scans, seed=seed) for seed in (0, 0, 5)]
    for scores in (drawn, real if against is Against.HELD_OUT else drawn):
        assert scores[0] == scores[1] != scores[2]
    assert real_score(one, scans, n=2) == real[0]
    assert score_of(one, seen(*range(9)), scans) == drawn[0]


def test_a_score_that_falls_with_n_has_its_interval_about_its_value(scans):
    def prepare(_samples, _reference):
        return lambda chosen, _others: float(len({*chosen}))

    one = dataclasses.replace(metric(Against.NOTHING), prepare=prepare)
    apart = score_of(one, seen(*range(9)), scans)
    about = score_of(dataclasses.replace(one, falls_with_n=True), seen(*range(9)), scans)
    assert apart.high == 9 < about.high


def test_the_seed_of_a_measurement_is_that_of_all_its_intervals(scans):
    one, samples = metric(Against.TRAINING), seen(*range(9))
    scans = dataclasses.replace(scans, held_out=seen(*range(1, 8)))
    anchors = measure_anchors(one, scans, samples, n=2, seed=5)
    assert anchors.real == score_of(one, scans.held_out, scans, seed=5)
    assert anchors.nonsense == score_of(one, samples, scans, seed=5)
    score = measure(one, samples, scans, anchors, seed=5).score
    assert score == score_of(one, samples, scans, seed=5)


def test_without_a_seed_it_is_0(scans):
    one, samples = metric(Against.TRAINING), seen(*range(9))
    scans = dataclasses.replace(scans, held_out=seen(*range(1, 8)))
    anchors = measure_anchors(one, scans, samples, n=2)
    assert anchors == measure_anchors(one, scans, samples, n=2, seed=0)
    plain = measure(one, samples, scans, anchors)
    assert plain == measure(one, samples, scans, anchors, seed=0)
    null = [null_score(one, samples, n=2, n_reference=3, **seed) for seed in ({}, {"seed": 0})]
    assert null[0] == null[1]


def test_a_value_counts_each_sample_once():
    counting = dataclasses.replace(
        metric(Against.NOTHING), prepare=lambda *_: lambda chosen, _: float(chosen.sum())
    )
    assert counting.value(seen(4, 6, 7), ()) == 0 + 1 + 2
