"""Find the box of a crop: the full body, the pancreas, or the largest cube inside the trunk."""

from collections.abc import Callable

import numpy as np

from ldm.config import Crop
from ldm.data.geometry.box import Box, VoxelBox, box_of_voxels
from ldm.data.geometry.cube import largest_cube
from ldm.data.geometry.volume import Affine, BoolArray, Volume
from ldm.errors import ScanError

MIN_EXTENT_MM = 8.0


def find_box(
    crop: Crop,
    volume: Volume,
    *,
    mask_box: VoxelBox | None,
    margin_mm: float,
    find_trunk: Callable[[Volume], BoolArray],
    holds_pancreas: bool = False,
) -> Box:
    """Return the box of a crop in one scan.

    ``mask_box`` holds the bounding box of the pancreas mask as half-open voxel indices. The
    pancreas crop needs it, and widens it by ``margin_mm`` on each side. Only the semi-body crop
    calls ``find_trunk``, which returns the mask of the trunk in the scan. If ``holds_pancreas``,
    its cube is the largest that holds ``mask_box``.

    Raises ScanError if a mask is needed and there is none, if the pancreas crop is shorter than 8
    mm along an axis, or if the semi-body crop finds no trunk, no cube that holds the pancreas, or
    the scan is too large for its search.
    """
    if crop is Crop.FULL_BODY:
        return full_body_box(volume)
    if mask_box is None and (crop is Crop.PANCREAS or holds_pancreas):
        raise ScanError(
            f"the {crop} crop needs a mask of the pancreas", remedy="add one or leave the scan out"
        )
    if crop is Crop.SEMI_BODY:
        held = mask_box if holds_pancreas else None
        return largest_cube(find_trunk(volume), volume.affine, holding=held)
    assert mask_box is not None
    return pancreas_box(volume.affine, mask_box, margin_mm)


def full_body_box(volume: Volume) -> Box:
    """Return the box of the whole scan, up to the outer faces of its voxels."""
    shape = np.array(volume.array.shape, float)
    return box_of_voxels(volume.affine, np.full(3, -0.5), shape - 0.5)


def pancreas_box(affine: Affine, mask_box: VoxelBox, margin_mm: float) -> Box:
    """Return the bounding box of the pancreas mask, widened by ``margin_mm`` on each side.

    ``mask_box`` holds half-open voxel indices. The result may reach beyond the scan. Raises
    ScanError if a side is shorter than 8 mm.
    """
    margin = margin_mm / np.linalg.norm(affine[:3, :3], axis=0)
    low, high = (np.array(edge, float) for edge in mask_box)
    box = box_of_voxels(affine, low - 0.5 - margin, high - 0.5 + margin)
    if min(box.extent_mm) < MIN_EXTENT_MM:
        raise ScanError(
            f"a crop is at least {MIN_EXTENT_MM:g} mm long on each side",
            seen=f"the mask spans {' x '.join(f'{mm:.1f}' for mm in box.extent_mm)} mm",
            remedy="check the mask or leave the scan out",
        )
    return box
