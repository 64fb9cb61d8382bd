"""Copies are found despite noise and blur, and samples that are merely good are not copies."""

from functools import cache

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import mannwhitneyu, norm

from evaluation.memorization.copies import (
    data_copying_z,
    distances_hu,
    find_memorization,
    nearest_training,
)
from evaluation.memorization.metrics import (
    COPIED_SHARE,
    MEMORIZATION_METRICS,
    NEAREST_TRAINING_RATIO,
)
from evaluation.observation import Observation
from evaluation.observer import thumbnail
from ldm.data.phantom.phantom import make_phantom
from ldm.errors import InputError

FLAT = (2, 2, 2)


def observed(hu, name="scan"):
    """Return an observation that holds a thumbnail and nothing else."""
    nothing = np.zeros(200)
    return Observation(
        name=name,
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.asarray(hu, np.float16),
        features={},
        organs=(),
    )


def flats(*values_hu):
    """Return volumes with one HU value each, so that their distance is the difference in HU."""
    return [observed(np.full(FLAT, hu), f"flat_{hu}") for hu in values_hu]


@cache
def phantom(seed):
    return thumbnail(make_phantom(seed).scan.array).astype(np.float32)


def scans(seeds, change=lambda hu: hu):
    return [observed(change(phantom(seed)), f"phantom_{seed}") for seed in seeds]


def noisy(sigma_hu):
    rng = np.random.default_rng(0)
    return lambda hu: hu + rng.normal(0, sigma_hu, hu.shape)


TRAINING, HELD_OUT = range(8), range(8, 12)


def test_the_nearest_by_hand():
    distances, indices = nearest_training(flats(0, 90), flats(-30, 10, 200))
    assert distances == pytest.approx([10, 80])
    assert list(indices) == [1, 1]


def test_distances_are_root_mean_squares():
    """Half of the volume differs by 100 HU. The blur changes only the border between the halves."""
    hu = np.zeros((64, 8, 8))
    hu[:32] = 100
    (distance,) = distances_hu([observed(hu)], [observed(np.zeros_like(hu))])[0]
    assert distance == pytest.approx(100 / 2**0.5, rel=0.02)


def test_noise_that_voxels_do_not_share_counts_little():
    """The blur by one voxel leaves (2 sqrt(pi)) ** -1.5 of the noise, 15 %."""
    flat = np.zeros((24, 24, 24))
    distance = distances_hu([observed(noisy(100)(flat))], [observed(flat)])
    assert distance == pytest.approx(15, abs=2)


def test_what_lies_outside_the_window_is_no_difference():
    assert distances_hu(flats(-3000), flats(-1000)) == pytest.approx(0)
    assert distances_hu(flats(3000), flats(1000)) == pytest.approx(0)


def test_the_share_of_copies_by_hand():
    training = flats(0, 100, 200, 300)  # nearest distances are 100, so copies are within 50
    assert COPIED_SHARE.value(flats(49, -51, 149, -60), training) == 0.5


def test_a_patient_with_two_scans_does_not_hide_copies():
    training = flats(0, 0, 100, 200, 300)
    assert COPIED_SHARE.value(flats(0, 110), training) == 1


def test_the_same_as_identical_training_scans_is_a_copy():
    assert COPIED_SHARE.value(flats(-1000, 5), flats(-1000, -1000, -1000)) == 0.5


def test_the_ratio_by_hand():
    assert NEAREST_TRAINING_RATIO.value(flats(30, -80, 210), flats(0, 100, 200)) == pytest.approx(
        0.4
    )


def test_a_training_scan_drawn_twice_is_not_its_own_neighbor():
    statistic = COPIED_SHARE.prepare(flats(30), flats(0, 100))
    assert statistic(np.array([0]), np.array([0, 1, 1])) == 1
    assert statistic(np.array([0]), np.array([0, 1])) == 1


def test_unlike_grids_are_refused():
    odd = observed(np.zeros((2, 2, 3)), "odd")
    with pytest.raises(InputError, match=r"odd has \(2, 2, 3\) voxels, that of flat_0 \(2, 2, 2\)"):
        COPIED_SHARE.value([odd], flats(0, 1))


def test_one_training_scan_tells_no_copies():
    with pytest.raises(InputError, match="got 1: give 2 or more"):
        COPIED_SHARE.value(flats(0), flats(0))


def test_training_scans_that_are_all_the_same_give_no_scale():
    with pytest.raises(InputError, match="remove the duplicates"):
        NEAREST_TRAINING_RATIO.value(flats(0), flats(5, 5, 5))


@pytest.mark.parametrize("metric", MEMORIZATION_METRICS, ids=lambda metric: metric.name)
class TestConformance:
    def test_training_scans_themselves_are_copies(self, metric):
        expected = {"copied_share": 1, "nearest_training_ratio": 0}
        assert metric.value(scans(TRAINING), scans(TRAINING)) == expected[metric.name]

    def test_order_does_not_matter(self, metric):
        forwards = metric.value(scans(HELD_OUT), scans(TRAINING))
        assert metric.value(scans(HELD_OUT)[::-1], scans(TRAINING)[::-1]) == pytest.approx(forwards)

    def test_prepared_together_is_as_prepared_apart(self, metric):
        statistic = metric.prepare([*scans(TRAINING), *scans(HELD_OUT)], scans(TRAINING))
        apart = metric.value(scans(HELD_OUT), scans(TRAINING))
        assert statistic(np.arange(8, 12), np.arange(8)) == pytest.approx(apart)

    def test_one_volume_is_scored(self, metric):
        assert np.isfinite(metric.value(scans([8]), scans(TRAINING)))

    def test_air_is_far_from_every_scan(self, metric):
        air = [observed(np.full(phantom(0).shape, -1000))]
        value = metric.value(air, scans(TRAINING))
        assert value == 0 if metric is COPIED_SHARE else value > 2


def test_the_share_counts_copies_one_by_one():
    shares = [
        COPIED_SHARE.value([*scans(range(n)), *scans(range(8, 12 - n))], scans(TRAINING))
        for n in range(5)
    ]
    assert shares == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    "change",
    [noisy(20), noisy(50), lambda hu: ndimage.gaussian_filter(hu, 0.7), lambda hu: hu + 20],
    ids=["noise of 20 HU", "noise of 50 HU", "blur", "20 HU lighter"],
)
def test_a_copy_is_found_through(change):
    assert COPIED_SHARE.value(scans(range(4), change), scans(TRAINING)) == 1


@pytest.mark.parametrize(
    "change",
    [
        *(lambda hu: hu[::-1], lambda hu: np.roll(hu, 1, 0), lambda hu: hu + 90),
        lambda hu: ndimage.gaussian_filter(hu, 2),
    ],
    ids=["mirrored", "moved by a voxel", "90 HU lighter", "blurred by two voxels"],
)
def test_a_copy_is_not_found_when(change):
    """These are the copies to which the score is blind."""
    assert COPIED_SHARE.value(scans(range(4), change), scans(TRAINING)) == 0


def test_the_average_of_all_training_scans_is_no_copy_but_near():
    average = [observed(np.mean([phantom(seed) for seed in TRAINING], axis=0))]
    assert COPIED_SHARE.value(average, scans(TRAINING)) == 0
    assert NEAREST_TRAINING_RATIO.value(average, scans(TRAINING)) < 0.9


def test_real_scans_lie_about_as_near_as_training_scans_among_themselves():
    assert NEAREST_TRAINING_RATIO.value(scans(HELD_OUT), scans(TRAINING)) == pytest.approx(
        1, abs=0.2
    )


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


def test_pairs_are_named_for_the_report():
    found = find_memorization(scans([3]), held_out=scans(HELD_OUT), training=scans(TRAINING))
    (pair,) = found.samples
    assert (pair.name, pair.training, pair.distance_hu) == ("phantom_3", "phantom_3", 0)
    assert found.copies == found.samples
    assert all(one.name != one.training for one in found.training)


def test_copies_of_phantoms_are_copying_and_held_out_ones_are_not():
    real = {"held_out": scans(HELD_OUT), "training": scans(TRAINING)}
    copies = find_memorization(scans(range(4), noisy(20)), **real)
    honest = find_memorization(scans(HELD_OUT), **real)
    assert (copies.is_copying, honest.is_copying) == (True, False)
    assert copies.data_copying_z < -2 < honest.data_copying_z == 0


def test_one_copy_of_eight_is_enough_among_152_real_scans():
    rng = np.random.default_rng(0)
    training, honest = rng.normal(0, 100, (150, 6, 6, 6)), rng.normal(0, 100, (9, 6, 6, 6))
    samples = [observed(hu) for hu in (training[0], *honest[:7])]
    found = find_memorization(
        samples,
        held_out=[observed(hu) for hu in honest[7:]],
        training=[observed(hu) for hu in training],
    )
    assert (len(found.copies), found.is_copying) == (1, True)


def test_honest_samples_are_rarely_called_copies():
    """With only two dimensions of shape, many real scans happen to be near to another one."""
    rng, alarms, with_copies = np.random.default_rng(1), 0, 0
    shapes = rng.normal(0, 100, (2, 4, 4, 4))
    for _ in range(100):
        volumes = [observed(hu) for hu in np.tensordot(rng.normal(size=(48, 2)), shapes, 1)]
        found = find_memorization(volumes[:8], held_out=volumes[8:14], training=volumes[14:])
        alarms += found.is_copying
        with_copies += len(found.copies) > 0
    assert with_copies > 50
    assert alarms <= 5
