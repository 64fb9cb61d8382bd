"""Where a scan is cut: full body, the pancreas, or the largest cube inside the trunk."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ldm.config import Crop
from ldm.data.volume import Affine, BoolArray, Volume
from ldm.errors import ScanError

VoxelBox: TypeAlias = tuple[tuple[int, int, int], tuple[int, int, int]]  # half-open [low, high)
CUBE_GRID_MM = 2.0
MIN_EXTENT_MM = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box along a scan's axes: one corner and the lengths of its edges, in world mm.

    ``directions`` holds the unit vectors of the scan's axes as columns, so that the box is also
    right for a scan that lies askew in the world.
    """

    corner_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    directions: tuple[tuple[float, float, float], ...]

    def grid_affine(self, shape_voxels: tuple[int, int, int]) -> Affine:
        """The affine of a grid whose voxels tile the box exactly."""
        steps = np.array(self.directions) * (np.array(self.extent_mm) / shape_voxels)
        affine = np.eye(4)
        affine[:3, :3] = steps
        affine[:3, 3] = np.array(self.corner_mm) + steps.sum(axis=1) / 2
        return affine


def box_of_voxels(affine: Affine, low: NDArray[np.float64], high: NDArray[np.float64]) -> Box:
    """The box between two voxel coordinates; a voxel i covers [i - 0.5, i + 0.5)."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    corner = affine[:3, :3] @ low + affine[:3, 3]
    return Box(
        corner_mm=_triple(corner),
        extent_mm=_triple((high - low) * lengths),
        directions=tuple(_triple(row) for row in affine[:3, :3] / lengths),
    )


def find_box(
    crop: Crop,
    volume: Volume,
    *,
    mask_box: VoxelBox | None,
    margin_mm: float,
    find_trunk: Callable[[Volume], BoolArray],
) -> Box:
    """The box of one scan. ``mask_box`` is half-open, in voxels; raises ScanError if there is none.

    ``find_trunk`` is called for the semi-body crop only.
    """
    if crop is Crop.FULL_BODY:
        return full_body_box(volume)
    if crop is Crop.SEMI_BODY:
        return largest_cube(find_trunk(volume), volume.affine)
    if mask_box is None:
        raise ScanError("the pancreas crop needs a mask of the pancreas: add one or leave it out")
    return pancreas_box(volume.affine, mask_box, margin_mm)


def full_body_box(volume: Volume) -> Box:
    """The whole extent of the scan."""
    shape = np.array(volume.array.shape, float)
    return box_of_voxels(volume.affine, np.full(3, -0.5), shape - 0.5)


def pancreas_box(affine: Affine, mask_box: VoxelBox, margin_mm: float) -> Box:
    """The bounding box of the mask, widened on each side; it may reach beyond the scan."""
    margin = margin_mm / np.linalg.norm(affine[:3, :3], axis=0)
    low, high = (np.array(edge, float) for edge in mask_box)
    box = box_of_voxels(affine, low - 0.5 - margin, high - 0.5 + margin)
    if min(box.extent_mm) < MIN_EXTENT_MM:
        raise ScanError(
            f"a crop is at least {MIN_EXTENT_MM:g} mm a side, the mask spans "
            f"{' x '.join(f'{mm:.1f}' for mm in box.extent_mm)} mm: check the mask or leave it out"
        )
    return box


def largest_cube(inside: BoolArray, affine: Affine) -> Box:
    """The largest cube, in mm, whose voxels all lie inside.

    On an isotropic grid the chessboard distance to the outside is the half side of the largest
    cube around a voxel. Accurate to one voxel of that grid; raises ScanError if nothing is inside.
    """
    zoom = np.linalg.norm(affine[:3, :3], axis=0) / CUBE_GRID_MM
    shape = np.maximum(1, np.floor(np.array(inside.shape) * zoom)).astype(int)
    nearest = [
        np.minimum(((np.arange(n) + 0.5) / z).astype(int), limit - 1)
        for n, z, limit in zip(shape, zoom, inside.shape, strict=True)
    ]
    isotropic = np.pad(inside[np.ix_(*nearest)], 1)
    distance = ndimage.distance_transform_cdt(isotropic, metric="chessboard")[1:-1, 1:-1, 1:-1]
    radius = int(distance.max())
    if radius == 0:
        raise ScanError("the semi-body crop found no trunk in this scan: leave it out")
    centers = np.argwhere(distance == radius)
    center = centers[np.argmin(((centers - centers.mean(0)) ** 2).sum(1))]
    low, high = center - (radius - 1), center + radius
    return box_of_voxels(affine, low / zoom - 0.5, high / zoom - 0.5)


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
