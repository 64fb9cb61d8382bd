"""Find the largest cube inside a mask: the semi-body crop is such a cube inside the trunk."""

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.box import Box, VoxelBox, box_of_voxels
from ldm.data.geometry.volume import Affine, BoolArray, spacing_mm
from ldm.errors import ScanError

CUBE_GRID_MM = 2.0
MAX_GRID_VOXELS = 2**28  # 1290 mm a side; the search takes about 4 bytes a voxel
ROUNDING = 1e-6  # voxels; a length this close to an integer counts as that integer


def largest_cube(inside: BoolArray, affine: Affine, *, holding: VoxelBox | None = None) -> Box:
    """Return the largest cube along the scan's axes, in world mm, that lies inside a mask.

    If ``holding`` is given, a box of half-open voxel indices, only cubes that hold all of it count.

    ``inside`` is the mask and ``affine`` that of the scan. The search runs on a grid of 2 mm that
    starts at the scan's first corner, where a grid cell is inside if the scan's voxel at its center
    is. The faces of the cube are therefore exact to 1 mm, and a gap in the mask that is thinner
    than 2 mm may be missed. Of several largest cubes, the one nearest to the centroid of their
    positions is returned, and the first of equally near ones.

    Raises ScanError if the mask is empty, if no cube in it holds the box, or if the scan has more
    than 2^28 cells of 2 mm.
    """
    zoom = spacing_mm(affine) / CUBE_GRID_MM
    held = None if holding is None else _cells_of(holding, zoom)
    side, lows = _largest_cubes(_on_grid(inside, zoom), held)
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


def _cells_of(box: VoxelBox, zoom: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first cell and the cell after the last that a box of voxels touches, (2, 3)."""
    low = np.floor(np.multiply(box[0], zoom) + ROUNDING)
    high = np.ceil(np.multiply(box[1], zoom) - ROUNDING)
    return np.array([low, high]).astype(np.int64)


def _largest_cubes(
    inside: BoolArray, held: NDArray[np.int64] | None
) -> tuple[int, NDArray[np.int64]]:
    """Return the side of the largest cubes in cells, and their lowest corners, shape (n, 3).

    ``held`` has the first cell of a box that the cubes must hold, and the cell after its last.

    Raises ScanError if the mask is empty or no cube holds the box.
    """
    if not inside.any():
        raise ScanError("the semi-body crop found no trunk in this scan", remedy="leave it out")
    side, fits = 1, inside
    if held is not None:
        side, fits = _grown_to(int((held[1] - held[0]).max()), inside)
        if not _holding(fits, side, held).any():
            raise _none_holds(held)
    while _holding(larger := _grow(fits, side), 2 * side, held).any():
        side, fits = 2 * side, larger
    step = side
    while step > 1:
        step = (step + 1) // 2
        if _holding(larger := _grow(fits, step), side + step, held).any():
            side, fits = side + step, larger
    return side, np.argwhere(_holding(fits, side, held))


def _grown_to(side: int, inside: BoolArray) -> tuple[int, BoolArray]:
    """Return a side, and the mask of the lowest corners of the cubes of this side in ``inside``."""
    reached, fits = 1, inside
    while reached < side:
        step = min(reached, side - reached)
        reached, fits = reached + step, _grow(fits, step)
    return reached, fits


def _holding(fits: BoolArray, side: int, held: NDArray[np.int64] | None) -> BoolArray:
    """Return the mask of the lowest corners of those cubes that hold a box. All, if it is None."""
    if held is None:
        return fits
    holding = np.zeros_like(fits)
    part = tuple(slice(max(0, high - side), low + 1) for low, high in held.T.tolist())
    holding[part] = fits[part]
    return holding


def _none_holds(held: NDArray[np.int64]) -> ScanError:
    lengths_mm = (held[1] - held[0]) * CUBE_GRID_MM
    return ScanError(
        "a cube that holds the pancreas must fit into the trunk",
        seen=f"none does, the mask spans {' x '.join(f'{mm:g}' for mm in lengths_mm)} mm",
        remedy="check the mask, or leave the scan out",
    )


def _grow(fits: BoolArray, step: int) -> BoolArray:
    """Return a mask of the lowest corners of the cubes whose side is larger by ``step``.

    ``fits`` is the mask of the lowest corners of cubes with the present side, which must be
    ``step`` or more. A larger cube is then covered by eight of the present ones, one at each of its
    corners.
    """
    for _ in range(3):  # each turn rotates the axes to (y, z, x): after three they are (x, y, z)
        fits = (fits[:-step] & fits[step:]).transpose(1, 2, 0)
    return fits
