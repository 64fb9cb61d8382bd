"""Find the largest cube inside a mask: the semi-body crop is such a cube inside the trunk."""

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.box import Box, box_of_voxels
from ldm.data.geometry.volume import Affine, BoolArray, spacing_mm
from ldm.errors import ScanError

CUBE_GRID_MM = 2.0
MAX_GRID_VOXELS = 2**28  # 1290 mm a side; the search takes about 4 bytes a voxel
ROUNDING = 1e-6  # voxels; a length this close to an integer counts as that integer


def largest_cube(inside: BoolArray, affine: Affine) -> Box:
    """Return the largest cube along the scan's axes, in world mm, that lies inside a mask.

    ``inside`` is the mask and ``affine`` that of the scan. The search runs on a grid of 2 mm that
    starts at the scan's first corner, where a grid cell is inside if the scan's voxel at its center
    is. The faces of the cube are therefore exact to 1 mm, and a gap in the mask that is thinner
    than 2 mm may be missed. Of several largest cubes, the one nearest to the centroid of their
    positions is returned, and the first of equally near ones.

    Raises ScanError if the mask is empty or the scan has more than 2^28 cells of 2 mm.
    """
    zoom = spacing_mm(affine) / CUBE_GRID_MM
    side, lows = _largest_cubes(_on_grid(inside, zoom))
    low = lows[np.argmin(((lows - lows.mean(0)) ** 2).sum(1))]
    return box_of_voxels(affine, low / zoom - 0.5, (low + side) / zoom - 0.5)


def _on_grid(inside: BoolArray, zoom: NDArray[np.float64]) -> BoolArray:
    """Sample a mask on a grid that has ``zoom`` cells for each voxel along each axis.

    A partial cell at the end of an axis is left out.
    """
    shape = np.floor(np.multiply(inside.shape, zoom) + ROUNDING)
    if shape.prod() > MAX_GRID_VOXELS:
        x, y, z = shape * CUBE_GRID_MM
        raise ScanError(
            f"the semi-body crop takes scans of up to {MAX_GRID_VOXELS} voxels of "
            f"{CUBE_GRID_MM:g} mm",
            seen=f"this one is {x:g} x {y:g} x {z:g} mm",
            remedy="check its spacing",
        )
    nearest = [
        ((np.arange(n) + 0.5) / z + ROUNDING).astype(int) for n, z in zip(shape, zoom, strict=True)
    ]
    return inside[np.ix_(*nearest)]


def _largest_cubes(inside: BoolArray) -> tuple[int, NDArray[np.int64]]:
    """Return the side of the largest cubes in cells, and their lowest corners, shape (n, 3).

    Raises ScanError if the mask is empty.
    """
    if not inside.any():
        raise ScanError("the semi-body crop found no trunk in this scan", remedy="leave it out")
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
    """Return a mask of the lowest corners of the cubes whose side is larger by ``step``.

    ``fits`` is the mask of the lowest corners of cubes with the present side, which must be
    ``step`` or more. A larger cube is then covered by eight of the present ones, one at each of its
    corners.
    """
    for _ in range(3):  # each turn rotates the axes to (y, z, x): after three they are (x, y, z)
        fits = (fits[:-step] & fits[step:]).transpose(1, 2, 0)
    return fits
