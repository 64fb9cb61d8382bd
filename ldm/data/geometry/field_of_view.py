"""The field of view: how much of a crop the model sees at an input size.

The study resizes a crop to n voxels of spacing s along each axis, resamples that to the spacing of
the model (1.1 mm) and keeps the center, as large as the model's grid. Together these are one box
around the center of the crop, of ``grid * 1.1 / (n * s)`` times its length.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm.config import ImageConfig, InputSize
from ldm.data.geometry.box import Box, intersection, scaled
from ldm.errors import ScanError

ISOTROPIC_VOXELS = (240, 240, 155)  # of 1 mm: the bundle's BraTS scans


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOfView:
    """What the model sees of a crop: the model's grid fills ``box``.

    ``fraction`` is the share of the crop's length that is seen along each axis, at most 1. If the
    box is longer than the crop, the rest of it is air.
    """

    crop: Box
    box: Box
    fraction: tuple[float, float, float]

    @property
    def seen(self) -> Box:
        """The part of the crop that lies inside the box."""
        return intersection(self.crop, self.box)


def whole_view(crop: Box) -> FieldOfView:
    """Return the field of view that is the whole crop, as at input size ``fit``."""
    return FieldOfView(crop=crop, box=crop, fraction=(1.0, 1.0, 1.0))


def field_of_view(
    crop: Box,
    image: ImageConfig,
    *,
    shape_voxels: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> FieldOfView:
    """Return the field of view of one scan's crop; shape and spacing are the whole scan's, in RAS+.

    Raises ScanError if the crop is so small that it could lie between the centers of two voxels of
    the grid.
    """
    ratio = _length_ratio(image, shape_voxels, spacing_mm)
    if (ratio >= image.grid_voxels).any():
        extent = " x ".join(f"{mm:g}" for mm in np.multiply(shape_voxels, spacing_mm))
        raise ScanError(
            f"input size {image.input_size} takes scans longer than {image.resampled_mm:g} mm "
            "along each axis",
            seen=f"this one spans {extent} mm",
            remedy="leave it out",
        )
    x, y, z = (float(min(1.0, r)) for r in ratio)
    return FieldOfView(crop=crop, box=scaled(crop, ratio), fraction=(x, y, z))


def _length_ratio(
    image: ImageConfig,
    shape_voxels: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.float64]:
    """Return the length of the field of view over that of the crop, along each axis."""
    if image.input_size is InputSize.FIT:
        return np.ones(3)
    if image.input_size is InputSize.ISOTROPIC:
        sized_mm = np.array(ISOTROPIC_VOXELS, float)
    else:
        sized_mm = np.multiply(shape_voxels, spacing_mm)
    ratio: NDArray[np.float64] = np.multiply(image.grid_voxels, image.resampled_mm) / sized_mm
    return ratio
