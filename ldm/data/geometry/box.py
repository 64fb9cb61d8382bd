"""Boxes in world mm along the axes of a scan."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.volume import Affine, spacing_mm

VoxelBox: TypeAlias = tuple[tuple[int, int, int], tuple[int, int, int]]  # half-open [low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box whose edges are parallel to the axes of a scan, in world mm.

    Attributes
    ----------
    corner_mm
        World coordinates of the corner at which every scan axis has its lowest value.
    extent_mm
        Lengths of the edges along the axes of the scan.
    directions
        A 3 x 3 matrix whose columns are the unit vectors of the scan's axes, as the scan may be
        oblique to the world's axes.
    """

    corner_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    directions: tuple[tuple[float, float, float], ...]

    def grid_affine(self, shape_voxels: tuple[int, int, int]) -> Affine:
        """Return the affine of a grid whose voxels fill the box exactly."""
        steps = np.array(self.directions) * (np.array(self.extent_mm) / shape_voxels)
        affine = np.eye(4)
        affine[:3, :3] = steps
        affine[:3, 3] = np.array(self.corner_mm) + steps.sum(axis=1) / 2
        return affine


def box_of_voxels(affine: Affine, low: NDArray[np.float64], high: NDArray[np.float64]) -> Box:
    """Return the box between two corners in voxel coordinates, each of shape (3,).

    Voxel i covers the coordinates from i - 0.5 to i + 0.5.
    """
    lengths = spacing_mm(affine)
    corner = affine[:3, :3] @ low + affine[:3, 3]
    return Box(
        corner_mm=_triple(corner),
        extent_mm=_triple((high - low) * lengths),
        directions=tuple(_triple(row) for row in affine[:3, :3] / lengths),
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def scaled(box: Box, ratio: NDArray[np.float64]) -> Box:
    """Return the box with the same center whose edges are ``ratio`` times as long.

    ``ratio`` has shape (3,), one factor for each axis.
    """
    extent = np.array(box.extent_mm)
    moved = np.array(box.directions) @ (extent * (1 - ratio) / 2)
    return Box(
        corner_mm=_triple(np.array(box.corner_mm) + moved),
        extent_mm=_triple(extent * ratio),
        directions=box.directions,
    )


def intersection(one: Box, other: Box) -> Box:
    """Return the box that two boxes have in common.

    They must overlap and have the same directions; this is not checked.
    """
    inverse = np.linalg.inv(np.array(one.directions))
    offset = inverse @ np.subtract(other.corner_mm, one.corner_mm)
    low = np.maximum(0, offset)
    extent = np.minimum(one.extent_mm, offset + other.extent_mm) - low
    return Box(
        corner_mm=_triple(np.array(one.corner_mm) + np.array(one.directions) @ low),
        extent_mm=_triple(extent),
        directions=one.directions,
    )
