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
    """The part of a crop that the model sees.

    Attributes
    ----------
    crop
        The box of the crop.
    box
        The box that the model's grid fills, with the same center as the crop. Where it is longer
        than the crop, the rest is air.
    fraction
        Share of the crop's length that the model sees along each axis, at most 1.
    """

    crop: Box
    box: Box
    fraction: tuple[float, float, float]

    @property
    def seen(self) -> Box:
        """The part of the crop that lies inside the box."""
        return intersection(self.crop, self.box)


def whole_view(crop: Box) -> FieldOfView:
    """Return the field of view that shows the whole crop, as the input size ``fit`` does."""
    return FieldOfView(crop=crop, box=crop, fraction=(1.0, 1.0, 1.0))


def field_of_view(
    crop: Box,
    image: ImageConfig,
    *,
    shape_voxels: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> FieldOfView:
    """Return the field of view of the model in the crop of one scan.

    ``image`` gives the input size and the grid. ``shape_voxels`` and ``spacing_mm`` are those of
    the whole scan in RAS+, not of the crop.

    Raises ScanError if the scan is so short along an axis that one grid voxel would be as long as
    the whole crop.
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
    """Return the length of the field of view divided by that of the crop, along each axis."""
    if image.input_size is InputSize.FIT:
        return np.ones(3)
    if image.input_size is InputSize.ISOTROPIC:
        sized_mm = np.array(ISOTROPIC_VOXELS, float)
    else:
        sized_mm = np.multiply(shape_voxels, spacing_mm)
    ratio: NDArray[np.float64] = np.multiply(image.grid_voxels, image.resampled_mm) / sized_mm
    return ratio
