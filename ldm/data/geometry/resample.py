"""Separable linear interpolation, with a low-pass filter along each axis that is made coarser.

Arrays come in any memory layout, as scans are views of what their files hold, turned to RAS+.
Nothing is copied to change that: the axes are resampled from the fastest in memory to the slowest,
each by a matrix product.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.volume import FloatArray

SLAB_VOXELS = 1 << 23  # of the source that are processed at a time: 32 MiB
BAND_ROWS = 24
FWHM_PER_SIGMA = float(2 * np.sqrt(2 * np.log(2)))
KERNEL_SIGMAS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisMap:
    """Map of one axis from target index to source index: source = scale * target + offset."""

    scale: float
    offset: float

    def positions(self, n_target: int) -> NDArray[np.float64]:
        """Return the source positions of all target indices, shape (n_target,)."""
        positions: NDArray[np.float64] = np.arange(n_target, dtype=np.float64) * self.scale
        positions += self.offset
        return positions


def resample(
    source: FloatArray, maps: tuple[AxisMap, AxisMap, AxisMap], shape: tuple[int, int, int]
) -> FloatArray:
    """Return the values of ``source`` at the positions that ``maps`` gives for a grid of ``shape``.

    There is one map for each axis, from target index to source index. Positions outside the source
    get the value at its edge.
    """
    parts, weights = [], []
    for axis, (axis_map, n_target) in enumerate(zip(maps, shape, strict=True)):
        matrix = interpolation_matrix(axis_map, source.shape[axis], n_target)
        used = np.flatnonzero(matrix.any(axis=0))
        part = slice(int(used[0]), int(used[-1]) + 1)
        matrix = matrix[:, part]
        if source.strides[axis] < 0:  # BLAS takes no negative strides: reverse both
            part = slice(part.stop - 1, part.start - 1 if part.start else None, -1)
            matrix = matrix[:, ::-1]
        parts.append(part)
        weights.append(np.ascontiguousarray(matrix))
    slow, middle, fast = sorted(range(3), key=lambda axis: -abs(source.strides[axis]))
    view = source[tuple(parts)].transpose(slow, middle, fast)
    narrowed = _narrow_planes(view, weights[middle], weights[fast])
    n_slow, n_rest = narrowed.shape[0], narrowed.shape[1] * narrowed.shape[2]
    result = weights[slow] @ narrowed.reshape(n_slow, n_rest)
    shaped: FloatArray = result.reshape(shape[slow], shape[middle], shape[fast])
    return shaped.transpose(np.argsort((slow, middle, fast)))


def _narrow_planes(view: FloatArray, middle: FloatArray, fast: FloatArray) -> FloatArray:
    """Resample the two inner axes of an array by the matrices ``middle`` and ``fast``.

    Only some planes are processed at a time, to keep the intermediate array small.
    """
    narrowed = np.empty((len(view), len(middle), len(fast)), np.float32)
    n_planes = max(1, SLAB_VOXELS // (view.shape[1] * view.shape[2]))
    between = np.empty((n_planes, view.shape[1], len(fast)), np.float32)
    for start in range(0, len(view), n_planes):
        planes = slice(start, start + n_planes)
        part = between[: len(view[planes])]
        for rows, columns in _bands(fast):
            np.matmul(view[planes, :, columns], fast[rows, columns].T, out=part[:, :, rows])
        np.matmul(middle, part, out=narrowed[planes])
    return narrowed


def _bands(weights: FloatArray) -> list[tuple[slice, slice]]:
    """Divide a matrix, most of whose weights are 0, into blocks of rows.

    Returns the rows of each block and the range of columns in which it is not 0.
    """
    bands = []
    for start in range(0, len(weights), BAND_ROWS):
        rows = slice(start, min(start + BAND_ROWS, len(weights)))
        used = np.flatnonzero(weights[rows].any(axis=0))
        bands.append((rows, slice(int(used[0]), int(used[-1]) + 1)))
    return bands


def interpolation_matrix(axis_map: AxisMap, n_source: int, n_target: int) -> FloatArray:
    """Return the weights of one axis, shape (n_target, n_source), whose rows sum to 1.

    They combine linear interpolation with the low-pass filter of an axis that is made coarser.
    """
    at = axis_map.positions(n_target).clip(0, n_source - 1)[:, None]
    linear = np.clip(1 - np.abs(at - np.arange(n_source)), 0, None)
    sigma = low_pass_sigma_voxels(axis_map.scale)
    if sigma > 0:
        linear = linear @ _gaussian_matrix(n_source, sigma)
    normalized: FloatArray = (linear / linear.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalized


def low_pass_sigma_voxels(scale: float) -> float:
    """Return the standard deviation of the low-pass filter in source voxels.

    ``scale`` is the size of a target voxel in source voxels; the result is 0 if it is at most 1.
    The filter widens a voxel's full width at half maximum from 1 to ``scale`` (Cardoso 2015, "Scale
    factor point spread function matching", eq. 3).
    """
    return float(np.sqrt(max(scale, 1.0) ** 2 - 1) / FWHM_PER_SIGMA)


def _gaussian_matrix(n: int, sigma: float) -> NDArray[np.float64]:
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    kernel: NDArray[np.float64] = np.exp(-0.5 * (distance / sigma) ** 2)
    kernel[distance > max(1.0, KERNEL_SIGMAS * sigma)] = 0
    return kernel
