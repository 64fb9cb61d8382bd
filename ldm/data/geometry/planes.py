"""Three slices of a scan, and where boxes lie on them, for the contact sheet."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.box import Box
from ldm.data.geometry.volume import Affine, FloatArray, Volume

ThinArray: TypeAlias = NDArray[np.int16]
PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}  # the axis that each is perpendicular to
MAX_SIDE_PIXELS = 192
MAX_HU = np.iinfo(np.int16).max  # metal in a 16-bit scan reaches 64,000 HU


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanBox:
    """A box in mm along the axes of its scan. 0 is the outer corner of the scan's first voxel.

    ``low_mm`` and ``high_mm`` are two opposite corners. They may lie outside the scan.
    """

    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]


def box_in_scan(box: Box, affine: Affine) -> ScanBox:
    """Convert a box from world mm to mm along the axes of its scan.

    ``affine`` is that of the scan, which must have the axes of the box.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    to_voxels = np.linalg.inv(affine)
    first_voxels = to_voxels[:3, :3] @ np.array(box.corner_mm) + to_voxels[:3, 3] + 0.5
    low = first_voxels * spacing
    x, y, z = low.tolist()
    u, v, w = (low + box.extent_mm).tolist()
    return ScanBox(low_mm=(x, y, z), high_mm=(u, v, w))


def cut_planes(volume: Volume, box: Box) -> dict[str, ThinArray]:
    """Return the axial, coronal and sagittal slice through the center of a box, by their names.

    Each slice spans the whole scan along its two other axes, in their order. HU are truncated to
    int16. If a side has more than 192 pixels, only every k-th is kept, with the smallest sufficient
    k. A center outside the scan is moved to the nearest slice.
    """
    in_scan = box_in_scan(box, volume.affine)
    middle = np.add(in_scan.low_mm, in_scan.high_mm) / 2 / volume.spacing_mm
    limits = np.array(volume.array.shape) - 1
    at = np.clip(np.floor(middle), 0, limits).astype(int)
    return {
        name: _thin(np.take(volume.array, at[axis], axis)).clip(None, MAX_HU).astype(np.int16)
        for name, axis in PLANES.items()
    }


def _thin(image: FloatArray) -> FloatArray:
    """Keep every k-th pixel of a side that has more than 192."""
    step_a, step_b = (-(-n // MAX_SIDE_PIXELS) for n in image.shape)
    thinned: FloatArray = image[step_a // 2 :: step_a, step_b // 2 :: step_b]
    return thinned
