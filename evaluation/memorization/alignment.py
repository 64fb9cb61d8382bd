"""Align a small volume with a training scan, so that a moved, scaled or mirrored copy matches it.

The training scan is represented by its middle part, which is searched for in the volume. Positions
are in voxels from the center of a grid, and both volumes have the same grid.
"""

from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import least_squares

MARGIN = 0.2  # of each side, at both of its ends: the largest shift that is searched
MAX_SCALING = 0.2
STEP_VOXELS = 2  # the search for a place compares every second voxel of the middle part
MIRRORS = tuple(product((1, -1), repeat=3))

Hu: TypeAlias = NDArray[np.float32]
Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a volume shows what a training scan shows.

    The order of the volume's voxels is first reversed along the axes at which ``mirror`` is -1.
    Then its position ``scale * x + shift_voxels`` shows what the training scan shows at x.
    """

    mirror: tuple[int, ...]
    shift_voxels: tuple[float, ...]
    scale: tuple[float, ...] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The best shift of one mirrored form of a volume for each of n training scans.

    Attributes
    ----------
    mirror
        The mirrored form.
    shifts_voxels
        The best shifts, shape (n, 3).
    misfits
        Sums of squared differences at these shifts, shape (n,).
    """

    mirror: tuple[int, ...]
    shifts_voxels: NDArray[np.int64]
    misfits: Hu

    def placement(self, index: int) -> Placement:
        """Return the best place of one training scan."""
        return Placement(mirror=self.mirror, shift_voxels=tuple(self.shifts_voxels[index].tolist()))


def search_places(volume: Hu, scans: Hu) -> list[Candidates]:
    """Search a volume for the middle part of each training scan, on a grid of places.

    The places are all shifts by whole voxels up to the margin, in all eight mirrored forms. The
    mean difference in HU does not count. ``scans`` has the shape (n, x, y, z).
    """
    parts = np.stack([_middle(scan)[_STEPS] for scan in scans])
    margins = np.array(_margins(volume.shape))
    extent = (np.array(parts.shape[1:]) - 1) * STEP_VOXELS + 1
    windows = np.lib.stride_tricks.sliding_window_view(volume, extent)[(..., *_STEPS)]
    ours = _centered(windows.reshape(-1, parts[0].size))
    found = []
    for mirror in MIRRORS:
        real = _centered(parts[(slice(None), *_order(mirror))].reshape(len(scans), -1))
        squares = (ours**2).sum(1)[:, None] + (real**2).sum(1) - 2 * ours @ real.T
        starts = np.stack(np.unravel_index(squares.argmin(axis=0), windows.shape[:3]), axis=1)
        mirrored = np.array(volume.shape) - extent - margins - starts
        shifts = np.where(np.array(mirror) == 1, starts - margins, mirrored)
        found.append(
            Candidates(mirror=mirror, shifts_voxels=shifts, misfits=squares.min(axis=0).clip(0))
        )
    return found


class Template:
    """The middle part of a training scan, prepared to be aligned with many volumes.

    Parameters
    ----------
    scan
        The training scan in HU, shape (x, y, z).
    """

    def __init__(self, scan: Hu) -> None:
        self._part = _middle(scan)
        self._center = (np.array(scan.shape) - 1) / 2
        self._part_center = (np.array(self._part.shape) - 1) / 2
        self._gradient = _gradient(scan)
        reach = np.array([*(m + 2.0 for m in _margins(scan.shape)), *[MAX_SCALING] * 3])
        middle = np.array([0.0, 0, 0, 1, 1, 1])
        self._bounds = middle - reach, middle + reach

    def align(
        self, spline: Hu, start: Placement, *, max_comparisons: int
    ) -> tuple[float, Placement]:
        """Improve the place of the training scan in a volume by least squares.

        Shift and scale change along each axis, and the mirrored form does not. The gradient of the
        training scan stands for that of the volume, which is right if the volume is a copy.

        Parameters
        ----------
        spline
            The volume, as ``spline_of`` returns it.
        start
            The place to start from.
        max_comparisons
            How often the volume and the training scan may be compared.

        Returns
        -------
        tuple of float and Placement
            The root mean square difference in HU, without the mean difference, and the place.
        """
        turned = spline[_order(start.mirror)]
        found = least_squares(
            lambda values: self._difference(turned, values),
            np.array([*start.shift_voxels, *start.scale]),
            jac=lambda values: self._gradient / np.tile(values[3:], 2),
            bounds=self._bounds,
            x_scale="jac",
            max_nfev=max_comparisons,
        )
        place = Placement(
            mirror=start.mirror,
            shift_voxels=tuple(found.x[:3].tolist()),
            scale=tuple(found.x[3:].tolist()),
        )
        return float(np.sqrt(2 * found.cost / self._part.size)), place

    def _difference(self, turned: Hu, values: Values) -> Values:
        shift, scale = values[:3], values[3:]
        seen = ndimage.affine_transform(
            turned,
            scale,
            self._center + shift - scale * self._part_center,
            output_shape=self._part.shape,
            mode="nearest",
            prefilter=False,
        )
        difference = (seen - self._part).ravel().astype(np.float64)
        centered: Values = difference - difference.mean()
        return centered


def spline_of(volume: Hu) -> Hu:
    """Return the coefficients of the cubic spline through the voxels of a volume."""
    spline: Hu = ndimage.spline_filter(volume, output=np.float32, mode="nearest")
    return spline


_STEPS = (slice(None, None, STEP_VOXELS),) * 3


def _margins(shape: tuple[int, ...]) -> list[int]:
    return [round(n * MARGIN) for n in shape]


def _middle(volume: Hu) -> Hu:
    """Return a volume without its margins."""
    margins = zip(_margins(volume.shape), volume.shape, strict=True)
    return volume[tuple(slice(margin, n - margin) for margin, n in margins)]


def _order(mirror: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(None, None, sign) for sign in mirror)


def _centered(rows: Hu) -> Hu:
    centered: Hu = rows - rows.mean(axis=1, keepdims=True)
    return centered


def _gradient(scan: Hu) -> Values:
    """Return how the middle part changes with the shift and scale along each axis, shape (n, 6)."""
    slopes = [_middle(slope) for slope in _slopes(scan)]
    sides = (np.arange(n) - (n - 1) / 2 for n in slopes[0].shape)
    along = np.meshgrid(*sides, indexing="ij", sparse=True)
    scaled = [slope * position for slope, position in zip(slopes, along, strict=True)]
    columns = np.stack([one.ravel() for one in (*slopes, *scaled)], axis=1).astype(np.float64)
    changes: Values = columns - columns.mean(axis=0)
    return changes


def _slopes(scan: Hu) -> list[Hu]:
    """Return the gradient along each axis, which is zero along an axis of a single voxel."""
    return [
        np.gradient(scan, axis=axis) if n > 1 else np.zeros_like(scan)
        for axis, n in enumerate(scan.shape)
    ]
