"""Copies are found however they are altered, and samples that are merely good are not copies."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import mannwhitneyu, norm

from evaluation.memorization.copies import Memorization, data_copying_z, find_memorization
from evaluation.memorization.finding import Nearest
from evaluation.memorization.metrics import (
    COPIED_SHARE,
    MEMORIZATION_METRICS,
    NEAREST_TRAINING_RATIO,
)
from evaluation.memorization.search import nearest_other, nearest_training
from ldm.errors import InputError
from tests.support.thumbnails import HELD_OUT, noisy, observed, phantom, scans, training

SHAPE = (16, 14, 12)


def pairs(*distances_hu):
    """Return pairs with these distances."""
    return tuple(Nearest(name="a", training="b", distance_hu=hu) for hu in distances_hu)


def found(samples, *, training, held_out=()):
    """Return what follows from distances in HU."""
    return Memorization(
        samples=pairs(*samples), held_out=pairs(*held_out), training=pairs(*training)
    )


def rough(*seeds):
    """Return volumes of unlike large lumps."""
    rngs = [np.random.default_rng(seed) for seed in seeds]
    return [
        observed(ndimage.gaussian_filter(rng.normal(0, 3000, SHAPE), 2), f"rough_{seed}")
        for seed, rng in zip(seeds, rngs, strict=True)
    ]


def test_the_nearest_scan_is_named_with_its_distance():
    (pair,) = nearest_training(rough(2), rough(1, 2, 3))
    assert (pair.name, pair.training) == ("rough_2", "rough_2")
    assert pair.distance_hu == pytest.approx(0, abs=1e-3)


def test_the_nearest_other_scan_is_never_the_scan_itself():
    assert all(one.name != one.training for one in nearest_other(rough(1, 2, 3)))


def test_the_distance_to_air_is_the_deviation_of_the_middle_of_the_scan():
    """The ramp has 16 values at steps of 50 HU after halving, and 10 of them without margins."""
    ramp = np.zeros((32, 16, 16)) + np.arange(-400, 400, 25)[:, None, None]
    (pair,) = nearest_training([observed(np.full(ramp.shape, -1000))], [observed(ramp)])
    assert pair.distance_hu == pytest.approx(np.std(np.arange(10) * 50), rel=0.01)


def test_what_lies_outside_the_window_is_no_difference():
    inside = np.where(rough(1)[0].thumbnail > 0, 1000, -1000)
    (pair,) = nearest_training([observed(inside * 3)], [observed(inside)])
    assert pair.distance_hu == pytest.approx(0, abs=1e-3)


def test_samples_within_half_of_the_median_distance_of_training_scans_are_copies():
    seen = found((49, 51, 50, 60), training=(100, 100, 90, 300))
    assert seen.threshold_hu == 50
    assert [one.distance_hu for one in seen.copies] == [49, 50]


def test_a_patient_with_two_scans_does_not_hide_copies():
    assert found((40,), training=(0, 0, 100, 100, 100)).copies


def test_without_copies_there_is_no_probability_of_a_false_alarm():
    seen = found((80, 90), training=(100, 100), held_out=(95, 105))
    assert (seen.false_alarm, seen.is_copying) == (None, False)


def test_the_probability_of_a_false_alarm_by_hand():
    """Of 6 volumes, 2 are near. Both are among the 2 samples in 1 of 15 equally likely cases."""
    seen = found((10, 10), training=(100, 100), held_out=(100, 100))
    assert seen.false_alarm == pytest.approx(1 / 15)


def test_real_scans_that_look_like_copies_are_counted_with_an_interval():
    """With none of n, the upper end of the interval of Clopper and Pearson is 1 - 0.025^(1/n)."""
    none = found((80,), training=(100,) * 6, held_out=(90, 110)).false_alarms
    assert (none.n_scans, none.n_alarms, none.low) == (8, 0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 8))
    assert found((80,), training=(100,) * 6, held_out=(20, 110)).false_alarms.n_alarms == 1


def test_of_three_real_scans_nothing_is_said_about_false_alarms():
    assert found((80,), training=(100, 100), held_out=(90,)).false_alarms is None


def test_a_finding_says_how_often_real_scans_are_taken_for_copies():
    seen = found((80, 90), training=(100,) * 6, held_out=(90, 110)).finding()
    assert seen.sentences() == [
        "None of 2 samples is recognized as a copy",
        "Copies that are rotated, scaled by more than a tenth, or that show only a part of a scan "
        "are not searched",
        "Of 8 real scans that are no copies, 0 are taken for one: 0% (95 % interval 0% to 37%)",
    ]


def test_unlike_grids_are_refused():
    odd = observed(np.zeros((2, 2, 3)), "odd")
    with pytest.raises(InputError, match=r"odd has \(2, 2, 3\) voxels, that of rough_0 \(16, 14"):
        COPIED_SHARE.value([odd], rough(0, 1))


def test_one_training_scan_tells_no_copies():
    with pytest.raises(InputError, match="got 1: give 2 or more"):
        COPIED_SHARE.value(rough(0), rough(0))


def test_training_scans_that_are_all_the_same_give_no_scale():
    with pytest.raises(InputError, match="remove the duplicates"):
        NEAREST_TRAINING_RATIO.value(rough(0), [observed(np.zeros(SHAPE)) for _ in range(3)])


@pytest.mark.parametrize("metric", MEMORIZATION_METRICS, ids=lambda metric: metric.name)
class TestConformance:
    def test_training_scans_themselves_are_copies(self, metric):
        expected = {"copied_share": 1, "nearest_training_ratio": 0}
        value = metric.value(training(), training())
        assert value == pytest.approx(expected[metric.name], abs=1e-4)

    def test_order_does_not_matter(self, metric):
        forwards = metric.value(scans(HELD_OUT), training())
        assert metric.value(scans(HELD_OUT)[::-1], training()[::-1]) == pytest.approx(forwards)

    def test_prepared_together_is_as_prepared_apart(self, metric):
        statistic = metric.prepare([*training(), *scans(HELD_OUT)], training())
        apart = metric.value(scans(HELD_OUT), training())
        assert statistic(np.arange(8, 12), np.arange(8)) == pytest.approx(apart)

    def test_one_volume_is_scored(self, metric):
        assert np.isfinite(metric.value(scans([8]), training()))

    def test_air_is_far_from_every_scan(self, metric):
        air = [observed(np.full(phantom(0).shape, -1000))]
        value = metric.value(air, training())
        assert value == 0 if metric is COPIED_SHARE else value > 2


def test_z_is_that_of_the_mann_whitney_test():
    rng = np.random.default_rng(0)
    ours, real = rng.normal(0, 1, 9), rng.normal(1, 1, 9)
    less = mannwhitneyu(
        ours, real, alternative="less", method="asymptotic", use_continuity=False
    ).pvalue
    assert data_copying_z(ours, real) == pytest.approx(norm.ppf(less))


def test_z_by_hand():
    """All 4 pairs are in order, so U = 0. Its mean is 2 and its variance 2 * 2 * 5 / 12."""
    assert data_copying_z(np.array([1.0, 2]), np.array([3.0, 4])) == pytest.approx(-1.549, abs=1e-3)


def test_z_of_equal_distances_is_0():
    assert data_copying_z(np.full(4, 7.0), np.full(3, 7.0)) == 0


def test_z_without_held_out_scans_is_refused():
    with pytest.raises(InputError, match="got 3 and 0"):
        data_copying_z(np.ones(3), np.ones(0))


def test_held_out_scans_that_are_training_scans_are_not_counted_as_real_scans():
    again = scans([0, 1])
    seen = find_memorization(scans([8]), held_out=[*again, *scans([9])], training=training())
    assert [one.name for one in seen.held_out] == ["phantom_9"]
    assert seen.false_alarms.n_scans == 1 + 8
    assert seen.false_alarms.n_alarms == 0


def test_identical_training_scans_count_once():
    seen = find_memorization(scans([8]), held_out=(), training=[*training(), *scans([0])])
    assert len(seen.training) == 8
    assert seen.false_alarms.n_alarms == 0


def test_pairs_are_named_for_the_report():
    seen = find_memorization(scans([3]), held_out=scans(HELD_OUT), training=training())
    (pair,) = seen.samples
    assert (pair.name, pair.training) == ("phantom_3", "phantom_3")
    assert pair.distance_hu == pytest.approx(0, abs=1e-2)
    assert seen.copies == seen.samples


def test_copies_of_phantoms_are_copying_and_held_out_ones_are_not():
    real = {"held_out": scans(HELD_OUT), "training": training()}
    copies = find_memorization(scans(range(4), noisy(20)), **real)
    honest = find_memorization(scans(HELD_OUT), **real)
    assert (copies.is_copying, honest.is_copying) == (True, False)
    assert copies.data_copying_z < -2 < honest.data_copying_z == 0


def test_one_copy_of_eight_is_enough_among_152_real_scans():
    real = {"training": (100,) * 150, "held_out": (100, 100)}
    assert found((10, *(90,) * 7), **real).is_copying
    assert not found((10, *(90,) * 7), training=(100,) * 150).is_copying


def test_honest_samples_are_rarely_called_copies():
    """Many distances are within the threshold here, of samples as of real scans."""
    rng, alarms, with_copies = np.random.default_rng(1), 0, 0
    for _ in range(400):
        drawn = rng.gamma(2, 50, 48)
        seen = found(drawn[:8], held_out=drawn[8:14], training=drawn[14:])
        alarms += seen.is_copying
        with_copies += len(seen.copies) > 0
    assert with_copies > 300
    assert alarms <= 28  # 20 expected
