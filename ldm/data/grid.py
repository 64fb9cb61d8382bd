"""Input size: a crop box onto the model's grid in one interpolation, and back into a scan.

The axes of a box are those of its scan, so a map between them is three maps of one axis each.
Each is linear interpolation; where it shrinks, the triangle widens by the same factor, which is
linear interpolation of the low-passed signal.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm.data.crop import Box
from ldm.data.intensity import AIR_HU
from ldm.data.volume import Affine, FloatArray, Volume
from ldm.errors import ScanError

BLEND_VOXELS = 2.0


def to_grid(volume: Volume, box: Box, shape_voxels: tuple[int, int, int]) -> Volume:
    """The part of a scan inside ``box`` on a grid of ``shape_voxels``; air outside the scan.

    Values under air (the padding around a scanner's circle) count as air.
    """
    affine = box.grid_affine(shape_voxels)
    array = _resample(
        np.maximum(volume.array, AIR_HU), _relative(volume.affine, affine), shape_voxels
    )
    return Volume(array=array, affine=affine)


def put_back(sample: FloatArray, host: Volume, box: Box) -> Volume:
    """The host with ``sample`` in the place of its ``box``, blended over the box's outer voxels.

    What reaches beyond the host is cut off; raises ScanError when that is all of it.
    """
    shape = host.array.shape
    grid_affine = box.grid_affine((sample.shape[0], sample.shape[1], sample.shape[2]))
    relative = _relative(grid_affine, host.affine)
    weight = np.ones((1, 1, 1), np.float32)
    inside = []
    for axis, (scale, offset) in enumerate(relative):
        position = np.arange(shape[axis]) * scale + offset
        depth = np.minimum(position + 0.5, sample.shape[axis] - 0.5 - position) / scale
        blend = (np.clip((depth + 0.5) / BLEND_VOXELS, 0, 1) * (depth > 0)).astype(np.float32)
        touched = np.flatnonzero(blend)
        if not len(touched):
            raise ScanError(
                f"a sample is put back into the scan that its box was cut from, the box at "
                f"{_mm(box.corner_mm)} of {_mm(box.extent_mm)} mm lies beside a scan of {shape} "
                "voxels: prepare the latents again"
            )
        inside.append(slice(int(touched[0]), int(touched[-1]) + 1))
        weight = weight * blend[inside[-1]].reshape([-1 if a == axis else 1 for a in range(3)])
    region = tuple(inside)
    moved = [
        (scale, offset + scale * part.start)
        for (scale, offset), part in zip(relative, inside, strict=True)
    ]
    there = _resample(sample, moved, weight.shape)
    array = host.array.copy()
    array[region] = weight * there + (1 - weight) * array[region]
    return Volume(array=array, affine=host.affine)


def voxels_of(box: Box, volume: Volume) -> tuple[slice, slice, slice]:
    """The voxels of a scan whose centers lie inside a box."""
    parts = []
    for (scale, offset), n in zip(
        _relative(box.grid_affine((1, 1, 1)), volume.affine), volume.array.shape, strict=True
    ):
        inside = np.flatnonzero(np.abs(np.arange(n) * scale + offset) <= 0.5)
        parts.append(slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0))
    x, y, z = parts
    return x, y, z


def _mm(triple: tuple[float, float, float]) -> str:
    return ", ".join(f"{value:.1f}" for value in triple)


def _relative(source: Affine, target: Affine) -> list[tuple[float, float]]:
    """For each axis, (scale, offset) from a target index to a source index."""
    matrix = np.linalg.inv(source) @ target
    return [(float(matrix[axis, axis]), float(matrix[axis, 3])) for axis in range(3)]


def _resample(
    array: FloatArray, relative: list[tuple[float, float]], shape: tuple[int, ...]
) -> FloatArray:
    outside = np.zeros((1, 1, 1), bool)
    for axis, ((scale, offset), n_target) in enumerate(zip(relative, shape, strict=True)):
        n_source = array.shape[0]
        position = np.arange(n_target, dtype=np.float64) * scale + offset
        off = (position < -0.5) | (position > n_source - 0.5)
        outside = outside | off.reshape([-1 if a == axis else 1 for a in range(3)])
        # contracting the first axis puts the new one last: after three turns the order is x, y, z
        array = np.tensordot(array, _triangle(position, n_source, scale), axes=(0, 1))
    result: FloatArray = np.where(outside, np.float32(AIR_HU), array)
    return result


def _triangle(
    position: NDArray[np.floating[Any]], n_source: int, scale: float
) -> NDArray[np.float32]:
    """Weights (n_target, n_source): a triangle around each position, rows sum to 1."""
    center = position.clip(0, n_source - 1)[:, None]
    weights = np.clip(1 - np.abs(center - np.arange(n_source)) / max(1.0, scale), 0, None)
    normalized: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return normalized
