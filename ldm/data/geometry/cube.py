"""The largest cube inside a mask: what the semi-body crop cuts out of the trunk."""

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.box import Box, box_of_voxels
from ldm.data.geometry.volume import Affine, BoolArray, spacing_mm
from ldm.errors import ScanError

CUBE_GRID_MM = 2.0
MAX_GRID_VOXELS = 2**28  # 1290 mm a side; the search takes about 4 bytes a voxel
ROUNDING = 1e-6  # voxels; a length that is whole but for rounding counts as whole


def largest_cube(inside: BoolArray, affine: Affine) -> Box:
    """The largest cube, in mm, along the scan's axes whose voxels all lie inside.

    It is exact on a grid of 2 mm that starts at the scan's first corner; a voxel of that grid is
    inside if the scan's voxel at its center is. So the cube's faces are right to 1 mm, and a gap
    in the mask thinner than 2 mm may go unseen. Of several largest cubes it is the one nearest
    their centroid, the first if two are as near. Raises ScanError if there is none.
    """
    zoom = spacing_mm(affine) / CUBE_GRID_MM
    side, lows = _largest_cubes(_on_grid(inside, zoom))
    low = lows[np.argmin(((lows - lows.mean(0)) ** 2).sum(1))]
    return box_of_voxels(affine, low / zoom - 0.5, (low + side) / zoom - 0.5)


def _on_grid(inside: BoolArray, zoom: NDArray[np.float64]) -> BoolArray:
    """The mask by nearest sampling, ``zoom`` grid voxels a voxel; a last part of one is dropped."""
    shape = np.floor(np.multiply(inside.shape, zoom) + ROUNDING)
    if shape.prod() > MAX_GRID_VOXELS:
        x, y, z = shape * CUBE_GRID_MM
        raise ScanError(
            f"the semi-body crop takes scans of up to {MAX_GRID_VOXELS} voxels of "
            f"{CUBE_GRID_MM:g} mm, this one is {x:g} x {y:g} x {z:g} mm: check its spacing"
        )
    nearest = [
        ((np.arange(n) + 0.5) / z + ROUNDING).astype(int) for n, z in zip(shape, zoom, strict=True)
    ]
    return inside[np.ix_(*nearest)]


def _largest_cubes(inside: BoolArray) -> tuple[int, NDArray[np.int64]]:
    """The side in voxels of the largest cubes inside, and their low corners, shape (n, 3)."""
    if not inside.any():
        raise ScanError("the semi-body crop found no trunk in this scan: leave it out")
    side, fits = 1, inside
    while (larger := _grow(fits, side)).any():
        side, fits = 2 * side, larger
    step = side // 2
    while step:
        if (larger := _grow(fits, step)).any():
            side, fits = side + step, larger
        step //= 2
    return side, np.argwhere(fits)


def _grow(fits: BoolArray, step: int) -> BoolArray:
    """The low corners of cubes larger by ``step``, from those of cubes of side ``step`` or more.

    The larger cube is covered by eight of the smaller, one at each of its corners.
    """
    for _ in range(3):  # each turn leaves the axes in the order y, z, x: after three x, y, z
        fits = (fits[:-step] & fits[step:]).transpose(1, 2, 0)
    return fits
