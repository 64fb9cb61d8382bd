"""Resample a field of view to the model's grid, and put a sample back into a scan.

A box has the axes of its scan, so the map from one to the other is a map along each axis.
"""

import numpy as np

from ldm.data.geometry.box import Box
from ldm.data.geometry.field_of_view import FieldOfView
from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.resample import AxisMap, resample
from ldm.data.geometry.volume import Affine, BoolArray, FloatArray, Volume
from ldm.errors import ScanError

BLEND_VOXELS = 2.0
AXES = (0, 1, 2)


def to_grid(volume: Volume, view: FieldOfView, shape_voxels: tuple[int, int, int]) -> Volume:
    """Return what the model sees of a scan, resampled to a grid of ``shape_voxels``.

    The grid fills ``view.box``. Its voxels outside the scan or outside the crop are air.
    """
    affine = view.box.grid_affine(shape_voxels)
    array = resample(volume.array, _axis_maps(volume.affine, affine), shape_voxels)
    for axis, is_filled in enumerate(_filled(volume, view, shape_voxels)):
        array[_along(axis, ~is_filled)] = AIR_HU
    return Volume(array=array, affine=affine)


def put_back(sample: FloatArray, host: Volume, view: FieldOfView) -> Volume:
    """Return the scan ``host`` with a sample in place of what the model sees of it.

    ``sample`` is a grid of HU that fills ``view.box``, as ``to_grid`` makes it. Only ``view.seen``
    changes, and the sample is blended in over its outer voxels. The air that ``to_grid`` puts
    outside the scan and the crop is left out. Raises ScanError if ``view`` does not overlap the
    host.
    """
    n_x, n_y, n_z = sample.shape
    maps = _axis_maps(view.box.grid_affine((n_x, n_y, n_z)), host.affine)
    seen_maps = _axis_maps(view.seen.grid_affine((1, 1, 1)), host.affine)
    blends = [_blend(m, n) for m, n in zip(seen_maps, host.array.shape, strict=True)]
    cells = tuple(_span(is_filled) for is_filled in _filled(host, view, (n_x, n_y, n_z)))
    region = tuple(_span(blend > 0) for blend in blends)
    if any(part.start == part.stop for part in cells + region):
        raise _beside(view.seen, host)
    along_x, along_y, along_z = (b[part] for b, part in zip(blends, region, strict=True))
    weight = along_x[:, None, None] * along_y[:, None] * along_z
    x, y, z = (
        AxisMap(scale=m.scale, offset=m.offset + m.scale * part.start - cell.start)
        for m, part, cell in zip(maps, region, cells, strict=True)
    )
    there = resample(sample[cells], (x, y, z), weight.shape)
    array = host.array.copy(order="K")
    array[region] = weight * there + (1 - weight) * array[region]
    return Volume(array=array, affine=host.affine)


def voxels_of(box: Box, volume: Volume) -> tuple[slice, slice, slice]:
    """Return the index ranges of the voxels of a scan whose centers lie inside a box.

    The box must have the axes of the scan. A center on a face of the box counts as inside. Where
    the box reaches beyond the scan, the range ends at the edge of the scan. If no voxel along an
    axis lies inside, the range of this axis is empty.
    """
    maps = _axis_maps(box.grid_affine((1, 1, 1)), volume.affine)
    x, y, z = (_span(_is_within(m, n, 1)) for m, n in zip(maps, volume.array.shape, strict=True))
    return x, y, z


def _filled(scan: Volume, view: FieldOfView, shape_voxels: tuple[int, int, int]) -> list[BoolArray]:
    """Return, along each axis, which grid voxels have their center in both the scan and the crop.

    The grid fills ``view.box`` with ``shape_voxels`` voxels.
    """
    affine = view.box.grid_affine(shape_voxels)
    in_scan = _axis_maps(scan.affine, affine)
    in_crop = _axis_maps(view.crop.grid_affine((1, 1, 1)), affine)
    return [
        _is_within(in_scan[a], shape_voxels[a], scan.array.shape[a])
        & _is_within(in_crop[a], shape_voxels[a], 1)
        for a in AXES
    ]


def _span(part: BoolArray) -> slice:
    """Return the range from the first to the last true value. It is empty if there is none."""
    indices = np.flatnonzero(part)
    return slice(int(indices[0]), int(indices[-1]) + 1) if len(indices) else slice(0, 0)


def _is_within(axis_map: AxisMap, n_target: int, n_source: int) -> BoolArray:
    """Return which target indices map to a position inside the source's voxels.

    The outer faces of the first and the last source voxel count as inside.
    """
    position = axis_map.positions(n_target)
    within: BoolArray = (position >= -0.5) & (position <= n_source - 0.5)
    return within


def _blend(in_seen: AxisMap, n_host: int) -> FloatArray:
    """Return the weight of the sample along one axis of a host, shape (n_host,).

    The weight rises from 0 to 1 over the outermost voxels of the part that the model sees.
    ``in_seen`` maps a host index to a position in this part, where -0.5 and 0.5 are its ends.
    """
    depth_voxels = (0.5 - np.abs(in_seen.positions(n_host))) / in_seen.scale
    weight = np.clip((depth_voxels + 0.5) / BLEND_VOXELS, 0, 1) * (depth_voxels > 0)
    blend: FloatArray = weight.astype(np.float32)
    return blend


def _along(axis: int, part: BoolArray) -> tuple[slice | BoolArray, ...]:
    return tuple(part if a == axis else slice(None) for a in AXES)


def _beside(box: Box, host: Volume) -> ScanError:
    corner, extent = (", ".join(f"{mm:.1f}" for mm in t) for t in (box.corner_mm, box.extent_mm))
    return ScanError(
        "a sample is put back into the scan that its box comes from",
        seen=f"the box at {corner} of {extent} mm lies beside a scan of {host.array.shape} voxels",
        remedy="prepare the latents again",
    )


def _axis_maps(source: Affine, target: Affine) -> tuple[AxisMap, AxisMap, AxisMap]:
    """Return the map from target index to source index along each axis.

    Both affines must have the same axes.
    """
    matrix = np.linalg.inv(source) @ target
    x, y, z = (AxisMap(scale=float(matrix[a, a]), offset=float(matrix[a, 3])) for a in AXES)
    return x, y, z
