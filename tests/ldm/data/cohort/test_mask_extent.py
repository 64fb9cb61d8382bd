"""Masks that are unlikely to show a pancreas are noted."""

import numpy as np
import pytest

from ldm.data.cohort.inspection import bounding_box
from ldm.data.cohort.mask_extent import notes_on_extent
from ldm.data.geometry.volume import read_labels, spacing_mm
from tests.support.small_task07 import ORGAN, mask_of, read_folder, save

SPACING_MM = np.array([5.0, 5.0, 5.0])  # a voxel has an eighth of a ml
SHAPE = (80, 60, 60)
SOUND = (slice(10, 30), slice(10, 18), slice(10, 14))  # 640 voxels, 80 ml


def notes(*parts, has_pancreas=True):
    organ = np.zeros(SHAPE, bool)
    for part in parts:
        organ[part] = True
    box = bounding_box(organ)
    return list(notes_on_extent(organ, box, SPACING_MM, has_pancreas=has_pancreas))


def test_a_sound_mask_and_an_empty_one_have_no_notes():
    assert notes(SOUND) == [] == notes()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            (slice(0, 4),) * 3,
            "the mask has 8.0 ml (usual for a pancreas: 10 to 500 ml), only a part",
        ),
        ((slice(0, 30),) * 3, "the mask has 3375 ml (usual for a pancreas: 10 to 500 ml), other"),
        (
            (slice(0, 60), slice(0, 4), slice(0, 4)),
            "the mask spans 300 x 20 x 20 mm (usual for a pancreas: up to 280 x 200 x 240 mm)",
        ),
    ],
)
def test_a_volume_or_extent_beyond_the_limits_is_noted(part, said):
    (note,) = notes(part)
    assert note.startswith(said)


def test_pieces_far_from_the_largest_are_noted_with_distance_and_boxes():
    (note,) = notes(SOUND, (slice(39, 40), slice(10, 11), slice(10, 11)))
    assert note == (
        "the mask has pieces (1) up to 50 mm away from its largest piece, which widen its box from"
        " 100 x 40 x 20 mm to 150 x 40 x 20 mm"
    )
    assert not notes(SOUND, (slice(35, 36), slice(10, 11), slice(10, 11)))  # 30 mm away


def test_a_mask_of_a_tumor_alone_is_noted(folder):
    tumor = np.zeros((12, 10, 8), np.uint8)
    tumor[ORGAN] = 2
    save(mask_of(folder, "a"), tumor)
    said = [note for note in read_folder(folder, crop="pancreas").notes if "a tumor only" in note]
    assert said == ["a: the mask has a tumor only, so its crop may hold little of the pancreas"]


def test_sound_real_masks_have_no_notes(real_ct):
    for path in (real_ct / "labelsTr").glob("*.nii.gz"):
        labels, affine = read_labels(path)
        box = bounding_box(labels > 0)
        assert not [*notes_on_extent(labels > 0, box, spacing_mm(affine), has_pancreas=True)]
