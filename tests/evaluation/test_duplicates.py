"""Identical volumes are found, and none is counted twice or compared with itself."""

import dataclasses

import numpy as np
import pytest

from evaluation.diversity import MS_SSIM
from evaluation.duplicates import distinct, groups_of, identical_notes, is_identical, without
from evaluation.histograms.metrics import HISTOGRAM_DISTANCE, HISTOGRAM_JENSEN_SHANNON
from evaluation.memorization.metrics import COPIED_SHARE
from evaluation.metric import (
    RealScans,
    measure,
    measure_anchors,
    null_score,
    real_score,
    score_of,
)
from evaluation.observation import Observation
from ldm.errors import InputError


def volume(seed, name=None):
    """Return an observation of random values, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    histogram = rng.uniform(0, 1, 200)
    return Observation(
        name=name or f"v{seed}",
        body_histogram=histogram / histogram.sum(),
        grid_histogram=histogram / histogram.sum(),
        thumbnail=rng.normal(0, 300, (14, 14, 14)).astype(np.float16),
        features={},
        organs=(),
    )


def volumes(*seeds):
    return tuple(volume(seed, f"v{seed}_{place}") for place, seed in enumerate(seeds))


def test_volumes_of_the_same_voxels_are_identical_whatever_they_are_called():
    assert is_identical(volume(1, "a"), volume(1, "b"))
    assert not is_identical(volume(1), volume(2))


def test_volumes_of_the_same_histogram_are_not_identical_if_they_look_different():
    one = volume(1)
    assert not is_identical(one, dataclasses.replace(one, thumbnail=one.thumbnail[::-1]))
    assert not is_identical(one, dataclasses.replace(one, thumbnail=one.thumbnail[1:]))


def test_volumes_that_look_the_same_are_not_identical_if_their_features_differ():
    one, other = (
        dataclasses.replace(volume(1), features={"net": np.full((2, 3), value, np.float32)})
        for value in (1, 2)
    )
    assert not is_identical(one, other)


def test_identical_volumes_are_one_group():
    assert groups_of(volumes(1, 2, 1, 3)) == [[0, 2], [1], [3]]
    assert [one.name for one in distinct(volumes(1, 2, 1))] == ["v1_0", "v2_1"]
    assert [one.name for one in without(volumes(1, 2, 3), volumes(2, 4))] == ["v1_0", "v3_2"]


def test_volumes_that_all_differ_have_no_note():
    assert identical_notes(volumes(1, 2), held_out=volumes(3), training=volumes(4, 5)) == []


def test_one_sample_six_times_is_noted():
    assert identical_notes(volumes(*[1] * 6), held_out=volumes(2), training=()) == [
        "6 samples are one volume 6 times, so n is 1."
    ]


def test_samples_that_are_real_scans_are_noted_with_their_names():
    held_out, training = volumes(7, 8), volumes(9)
    assert identical_notes(volumes(1, 7, 7, 7), held_out=held_out, training=())[0] == (
        "3 of 4 samples are identical to reference scan v7_0."
    )
    assert identical_notes(volumes(7, 8, 9), held_out=held_out, training=training) == [
        "2 of 3 samples are identical to reference scans: v7_0 to v7_0, v8_1 to v8_1.",
        "1 of 3 samples is identical to training scan v9_0.",
    ]


def test_reference_scans_that_are_training_scans_or_repeated_are_noted():
    assert identical_notes(volumes(1), held_out=volumes(2, 3, 3), training=volumes(2, 4)) == [
        "1 of 3 reference scans is identical to training scan v2_0.",
        "3 reference scans are 2 different volumes (v3_1 = v3_2). Each counts once.",
    ]


def test_the_null_compares_no_volume_with_an_identical_one():
    scans = volumes(*range(6))
    real = RealScans(held_out=scans, training=volumes(*range(6)))
    once = RealScans(held_out=scans, training=())
    for metric in (HISTOGRAM_DISTANCE, HISTOGRAM_JENSEN_SHANNON):
        null = real_score(metric, real, n=6)
        assert null == real_score(metric, once, n=6)
        assert null.n == 3
        assert null.low > 0


def test_n_counts_identical_samples_once():
    real = RealScans(held_out=volumes(7, 8), training=())
    assert score_of(HISTOGRAM_DISTANCE, volumes(1, 1, 1, 1, 1, 1), real).n == 1
    assert score_of(HISTOGRAM_DISTANCE, volumes(1, 2, 1, 3), real).n == 3


def test_identical_samples_are_drawn_together():
    """Both values of two different volumes are drawn, of which one occurs three times."""
    real = RealScans(held_out=volumes(7), training=())
    score = score_of(HISTOGRAM_DISTANCE, volumes(1, 1, 1, 2), real)
    ends = sorted(HISTOGRAM_DISTANCE.value(volumes(seed), volumes(7)) for seed in (1, 2))
    assert score.high == pytest.approx(ends[1])


@pytest.mark.parametrize("metric", [HISTOGRAM_DISTANCE, MS_SSIM], ids=lambda one: one.name)
def test_samples_that_are_held_out_scans_are_left_out_of_scores(metric):
    real = RealScans(held_out=volumes(7, 8), training=volumes(9, 10))
    anchors = measure_anchors(metric, real, volumes(11, 12), n=3)
    score = measure(metric, volumes(1, 2, 7), real, anchors).score
    assert score == score_of(metric, volumes(1, 2), real)
    with pytest.raises(InputError, match="not held-out scans, 2 of 2 are identical to one"):
        measure(metric, volumes(7, 8), real, anchors)


def test_scores_of_copies_judge_all_samples():
    real = RealScans(held_out=volumes(7, 8), training=volumes(9, 10))
    anchors = measure_anchors(COPIED_SHARE, real, (), n=2)
    assert measure(COPIED_SHARE, volumes(7, 9), real, anchors).score.n == 2


def test_real_scans_that_occur_twice_do_not_look_like_mode_collapse():
    twice = RealScans(held_out=volumes(1, 1, 2, 2), training=())
    assert real_score(MS_SSIM, twice, n=4).n == 2
    assert real_score(MS_SSIM, twice, n=4).value < 0.9
    same = RealScans(held_out=volumes(1, 1, 1), training=())
    assert same.reason_against(MS_SSIM) == "needs 2 different held-out scans, there are 1"


def test_held_out_scans_that_are_training_scans_give_no_score_of_real_scans():
    same = RealScans(held_out=volumes(1, 2), training=volumes(1, 2))
    assert same.reason_against(COPIED_SHARE) == (
        "needs a held-out scan that is not a training scan too"
    )


def test_an_interval_contains_its_value():
    """Draws repeat some volumes, so a distance of 0 is below all of them."""
    held_out = volumes(7, 8)
    shifted = tuple(
        dataclasses.replace(one, thumbnail=one.thumbnail + np.float16(1)) for one in held_out
    )
    score = score_of(HISTOGRAM_DISTANCE, shifted, RealScans(held_out=held_out, training=()))
    assert score.low == score.value == 0
    null = null_score(HISTOGRAM_DISTANCE, volumes(1, 2, 3, 4), n=2, n_reference=2)
    assert null.low <= null.value <= null.high
