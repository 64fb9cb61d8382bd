"""Input size, the study's variable, as what it is: how much of a crop the model sees.

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
    """What the model sees of a crop: ``box`` is tiled by the model's grid.

    ``fraction`` is the share of the crop's length that is seen along each axis, at most 1; where
    the box is longer than the crop, the rest of it is air.
    """

    crop: Box
    box: Box
    fraction: tuple[float, float, float]

    @property
    def seen(self) -> Box:
        """The part of the crop inside the box."""
        return intersection(self.crop, self.box)


def whole_view(crop: Box) -> FieldOfView:
    """All of a crop: input size ``fit``."""
    return FieldOfView(crop=crop, box=crop, fraction=(1.0, 1.0, 1.0))


def field_of_view(
    crop: Box,
    image: ImageConfig,
    *,
    shape_voxels: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> FieldOfView:
    """The field of view of one scan's crop; shape and spacing are the whole scan's, in RAS+.

    Raises ScanError where the crop would slip between the centers of the grid's voxels.
    """
    ratio = _length_ratio(image, shape_voxels, spacing_mm)
    if (ratio >= image.grid_voxels).any():
        extent = " x ".join(f"{mm:g}" for mm in np.multiply(shape_voxels, spacing_mm))
        raise ScanError(
            f"input size {image.input_size} takes scans longer than {image.resampled_mm:g} mm "
            f"along each axis, this one spans {extent} mm: leave it out"
        )
    x, y, z = (float(min(1.0, r)) for r in ratio)
    return FieldOfView(crop=crop, box=scaled(crop, ratio), fraction=(x, y, z))


def _length_ratio(
    image: ImageConfig,
    shape_voxels: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.float64]:
    """Length of the field of view over that of the crop, along each axis."""
    if image.input_size is InputSize.FIT:
        return np.ones(3)
    if image.input_size is InputSize.ISOTROPIC:
        sized_mm = np.array(ISOTROPIC_VOXELS, float)
    else:
        sized_mm = np.multiply(shape_voxels, spacing_mm)
    ratio: NDArray[np.float64] = np.multiply(image.grid_voxels, image.resampled_mm) / sized_mm
    return ratio
