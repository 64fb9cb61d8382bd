"""The judge computes all scores of a set with their reference values, and refuses bad input."""

import numpy as np
import pytest

from evaluation.histograms.metrics import HISTOGRAM_DISTANCE, HISTOGRAM_METRICS
from evaluation.judge import Judge, anchor_all
from evaluation.memorization.metrics import COPIED_SHARE
from evaluation.metric import RealScans
from evaluation.observer import Observer
from ldm.data.geometry.volume import Volume
from ldm.errors import InputError, ScanError
from tests.support.small_scan import TISSUE_HU, sample

METRICS = (*HISTOGRAM_METRICS, COPIED_SHARE)


def seen(*tissue_hu):
    named = [(str(hu), sample(tissue_hu=hu)) for hu in tissue_hu]
    return tuple(Observer().observe_all(named))


def judge(held_out=(41, 42, 43), training=()):
    """Return a judge whose held-out scans differ, but not in the bin of 10 HU."""
    scans = RealScans(held_out=seen(*held_out), training=seen(*training))
    anchors, _ = anchor_all(METRICS, scans, seen(500, 600), n=2)
    return Judge(
        observer=Observer(), metrics=METRICS, scans=scans, anchors=anchors, is_put_back=False
    )


def measured(samples, **scans):
    """All scores of samples."""
    one = judge(**scans)
    return one.measure(one.observe(samples))


def test_samples_as_real_scans_have_no_distance():
    assert measured([("a", sample())])["histogram_distance_hu"].score.value == 0


def test_a_shift_is_the_distance_with_its_n():
    shifted, scans = (
        [(str(hu), sample(has_organ=False, tissue_hu=hu)) for hu in range(first, first + n)]
        for first, n in ((TISSUE_HU + 20, 3), (TISSUE_HU, 2))
    )
    real = RealScans(held_out=tuple(Observer().observe_all(scans)), training=())
    anchors, _ = anchor_all([HISTOGRAM_DISTANCE], real, seen(500), n=3)
    one = Judge(
        observer=Observer(),
        metrics=[HISTOGRAM_DISTANCE],
        scans=real,
        anchors=anchors,
        is_put_back=False,
    )
    score = one.measure(one.observe(shifted))["histogram_distance_hu"].score
    assert score.value == pytest.approx(20)
    assert score.n == 3


def test_every_score_stands_between_its_anchors():
    (one, *_) = measured([("a", sample())]).measurements
    assert one.real.value == 0
    assert one.nonsense.value > 400


def test_without_training_scans_there_is_no_score_of_copies():
    names = [one.name for one in measured([("a", sample())]).measurements]
    assert names == [metric.name for metric in HISTOGRAM_METRICS]


def test_with_training_scans_a_copy_is_seen():
    scores = measured([("a", sample(tissue_hu=100))], training=(0, 100, 300))
    assert scores["copied_share"].score.value == 1


def test_with_training_scans_the_copies_are_named():
    one = judge(training=(0, 100, 300))
    found = one.find_copies(one.observe([("a", sample(tissue_hu=100))]))
    assert [(copy.name, copy.training) for copy in found.copies] == [("a", "100")]


def test_without_training_scans_nothing_is_said_of_copies():
    one = judge()
    assert one.find_copies(one.observe([("a", sample())])) is None


def test_what_was_seen_of_each_sample_is_kept():
    observations = judge().observe([("a", sample()), ("b", sample())])
    assert [one.name for one in observations] == ["a", "b"]


def test_no_samples_are_refused():
    with pytest.raises(InputError, match="scores need one sample or more, there is none"):
        judge().observe([])


def test_a_sample_with_nan_is_refused_by_name():
    broken = sample()
    broken.array[0, 0, 0] = np.nan
    with pytest.raises(ScanError, match="of sample_03 do not: leave it out"):
        judge().observe([("sample_03", broken)])


def test_a_reference_without_a_body_is_refused():
    air = Volume(array=np.full((8, 8, 8), -1000, np.float32), affine=np.eye(4))
    scans = RealScans(held_out=tuple(Observer().observe_all([("r", air)] * 2)), training=())
    with pytest.raises(InputError, match="none of the 2 held-out scans has a voxel above -300 HU"):
        anchor_all(METRICS, scans, seen(500), n=2)


def test_only_the_scores_that_are_wanted_are_measured():
    one = judge()
    scores = one.measure(one.observe([("a", sample())]), names=["histogram_distance_hu"])
    assert [one.name for one in scores.measurements] == ["histogram_distance_hu"]
