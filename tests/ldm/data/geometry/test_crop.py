"""Crops: boxes in mm, right for any spacing and for a scan that lies askew."""

import numpy as np
import pytest

from ldm.config import Crop
from ldm.data.geometry.crop import find_box, full_body_box, pancreas_box
from ldm.data.geometry.cube import largest_cube
from ldm.data.geometry.volume import Volume
from ldm.errors import ScanError

AFFINE = np.array([[1.5, 0, 0, -40], [0, 2, 0, 31], [0, 0, 5, -700], [0, 0, 0, 1.0]])
MASK_BOX = ((2, 3, 1), (12, 9, 5))  # half-open: 10 x 6 x 4 voxels


@pytest.fixture
def volume():
    return Volume(array=np.zeros((14, 12, 8), np.float32), affine=AFFINE)


def no_trunk(_volume):
    raise AssertionError("the trunk is sought for the semi-body crop only")


def turned_affine(degrees):
    """Spacing 1.5 x 2 x 5 mm, turned about z."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = AFFINE.copy()
    affine[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ AFFINE[:3, :3]
    return affine


def test_the_full_body_is_the_whole_extent_in_mm(volume):
    box = full_body_box(volume)
    assert box.extent_mm == pytest.approx((14 * 1.5, 12 * 2, 8 * 5))
    assert box.corner_mm == pytest.approx((-40 - 0.75, 31 - 1, -700 - 2.5))


def test_the_pancreas_box_is_the_mask_box_in_mm():
    box = pancreas_box(AFFINE, MASK_BOX, margin_mm=0.0)
    assert box.extent_mm == pytest.approx((10 * 1.5, 6 * 2, 4 * 5))
    assert box.corner_mm == pytest.approx((-40 + 1.5 * 1.5, 31 + 2.5 * 2, -700 + 0.5 * 5))


def test_a_margin_widens_the_box_by_as_many_mm_on_each_side():
    tight, wide = (pancreas_box(AFFINE, MASK_BOX, margin_mm=mm) for mm in (0.0, 7.0))
    np.testing.assert_allclose(np.subtract(wide.extent_mm, tight.extent_mm), 14)
    np.testing.assert_allclose(np.subtract(tight.corner_mm, wide.corner_mm), 7)


def test_a_mask_that_is_too_small_is_refused_with_its_size():
    with pytest.raises(
        ScanError, match=r"at least 8 mm long on each side, the mask spans 3\.0 x 12\.0 x 20"
    ):
        pancreas_box(AFFINE, ((2, 3, 1), (4, 9, 5)), margin_mm=0.0)


def test_the_pancreas_crop_needs_a_mask(volume):
    with pytest.raises(
        ScanError, match="needs a mask of the pancreas: add one or leave the scan out"
    ):
        find_box(Crop.PANCREAS, volume, mask_box=None, margin_mm=0.0, find_trunk=no_trunk)


@pytest.mark.parametrize(
    ("crop", "extent_mm"), [(Crop.FULL_BODY, (21, 24, 40)), (Crop.PANCREAS, (17, 14, 22))]
)
def test_each_crop_finds_its_own_box(volume, crop, extent_mm):
    box = find_box(crop, volume, mask_box=MASK_BOX, margin_mm=1.0, find_trunk=no_trunk)
    assert box.extent_mm == pytest.approx(extent_mm)


def test_the_semi_body_crop_is_the_cube_in_the_trunk(volume):
    def find_trunk(scan):
        return np.ones(scan.array.shape, bool)

    box = find_box(Crop.SEMI_BODY, volume, mask_box=None, margin_mm=0.0, find_trunk=find_trunk)
    assert box == largest_cube(find_trunk(volume), AFFINE)


def test_a_box_in_a_turned_scan_keeps_its_directions():
    affine = turned_affine(20)
    box = pancreas_box(affine, MASK_BOX, margin_mm=0.0)
    np.testing.assert_allclose(np.array(box.directions), affine[:3, :3] / [1.5, 2, 5])
    assert box.extent_mm == pytest.approx((15, 12, 20))


def test_the_grid_of_a_turned_box_lies_on_the_voxels_of_its_mask():
    affine = turned_affine(20)
    grid = pancreas_box(affine, MASK_BOX, margin_mm=0.0).grid_affine((10, 6, 4))
    expected = affine.copy()
    expected[:3, 3] = affine[:3, :3] @ [2, 3, 1] + affine[:3, 3]
    np.testing.assert_allclose(grid, expected, atol=1e-9)
