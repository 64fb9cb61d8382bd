"""Which copies of training scans are recognized although they were altered."""

import numpy as np
import pytest
from scipy import ndimage

from evaluation.memorization.metrics import (
    COPIED_SHARE,
    NEAREST_TRAINING_RATIO,
)
from tests.support.thumbnails import HELD_OUT, TRAINING, noisy, observed, phantom, scans, training


def test_the_share_counts_copies_one_by_one():
    shares = [
        COPIED_SHARE.value([*scans(range(n)), *scans(range(8, 12 - n))], training())
        for n in (0, 1, 4)
    ]
    assert shares == [0, 0.25, 1]


def moved(*shift_voxels, scale=1.0):
    """Shift and scale around the center. Air comes in at the edges."""

    def change(hu):
        center = (np.array(hu.shape) - 1) / 2
        offset = center - (center + shift_voxels) / scale
        return ndimage.affine_transform(hu, [1 / scale] * 3, offset, order=1, cval=-1000)

    return change


def blurred(sigma_voxels):
    return lambda hu: ndimage.gaussian_filter(hu, sigma_voxels)


def together(*changes):
    def change(hu):
        for one in changes:
            hu = one(hu)
        return hu

    return change


FLIPS = {
    "left to right": lambda hu: hu[::-1],
    "front to back": lambda hu: hu[:, ::-1],
    "head to foot": lambda hu: hu[:, :, ::-1],
    "turned on its belly": lambda hu: hu[::-1, ::-1],
}


@pytest.mark.parametrize("change", FLIPS.values(), ids=FLIPS)
def test_a_mirrored_copy_is_found(change):
    assert COPIED_SHARE.value(scans(range(2), change), training()) == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("voxels", [-9, -2.5, 2.5, 9])
def test_a_copy_is_found_that_is_shifted_along_an_axis(axis, voxels):
    """A thumbnail of a whole phantom has 6, 5 and 4 mm along x, y and z."""
    change = moved(*np.eye(3)[axis] * voxels)
    assert COPIED_SHARE.value(scans([axis], change), training()) == 1


@pytest.mark.parametrize(
    "change",
    [
        noisy(20),
        noisy(50),
        blurred(1),
        lambda hu: hu + 90,
        moved(2.5, -2, 2.5),
        moved(0, 0, 0, scale=0.9),
        moved(0, 0, 0, scale=1.1),
        together(FLIPS["left to right"], moved(-1.5, 2, 2.5)),
        together(FLIPS["head to foot"], moved(1, 1, 2, scale=1.05), blurred(1), noisy(20)),
    ],
    ids=[
        *("noise of 20 HU", "noise of 50 HU", "blur", "90 HU lighter"),
        *("shifted diagonally", "smaller", "larger", "mirrored and shifted", "everything"),
    ],
)
def test_a_copy_is_found_through(change):
    assert COPIED_SHARE.value(scans(range(3), change), training()) == 1


@pytest.mark.parametrize(
    "change",
    [blurred(5), lambda hu: hu.transpose(1, 0, 2), moved(24, 0, 0)],
    ids=["blurred by five voxels", "turned by a quarter", "shifted by half of its width"],
)
def test_a_copy_is_not_found_when(change):
    """These are copies to which the score is blind."""
    assert COPIED_SHARE.value(scans(range(2), change), training()) == 0


def test_the_average_of_all_training_scans_is_no_copy_but_near():
    average = [observed(np.mean([phantom(seed) for seed in TRAINING], axis=0))]
    assert COPIED_SHARE.value(average, training()) == 0
    assert NEAREST_TRAINING_RATIO.value(average, training()) < 0.9


def test_real_scans_lie_about_as_near_as_training_scans_among_themselves():
    assert NEAREST_TRAINING_RATIO.value(scans(HELD_OUT), training()) == pytest.approx(1, abs=0.2)
