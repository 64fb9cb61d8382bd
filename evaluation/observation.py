"""The data that is kept of one volume. All scores are computed from it and not from the voxels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.volume import FloatArray, Volume
from ldm.errors import InputError

Features = Callable[[Volume], FloatArray]  # a volume -> (slices, channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganFinding:
    """One organ in one volume, as TotalSegmentator finds it.

    Attributes
    ----------
    organ
        Name of the organ.
    agreement
        Dice coefficient of two TotalSegmentator models, 0 if either of them finds nothing.
    volume_ml
        Volume found by the finer model, 0 if it finds nothing.
    centroid_mm
        Centroid found by the finer model, relative to the center of the volume. None if it finds
        nothing.
    """

    organ: str
    agreement: float
    volume_ml: float
    centroid_mm: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """Everything that scores need to know about one volume.

    Two observations are equal only if they are the same object.

    Attributes
    ----------
    name
        Name of the volume.
    body_histogram, grid_histogram
        HU histograms inside the body and over the whole grid, shape (200,).
    thumbnail
        The volume in HU, averaged to at most 48 voxels along each axis.
    features
        Features by the name of their network, shape (slices, channels).
    organs
        One finding for each organ. Empty if the volume was not segmented.
    is_failed
        Whether segmenting the volume crashed two processes. Its organs then count as missing.
    """

    name: str
    body_histogram: NDArray[np.float64]
    grid_histogram: NDArray[np.float64]
    thumbnail: NDArray[np.float16]
    features: Mapping[str, FloatArray]
    organs: tuple[OrganFinding, ...]
    is_failed: bool = False


def require_one_grid(volumes: Sequence[Observation]) -> None:
    """Raise InputError unless the thumbnails of all volumes have the same shape."""
    for volume in volumes:
        if volume.thumbnail.shape != volumes[0].thumbnail.shape:
            raise InputError(
                "volumes can only be compared on the same grid",
                seen=f"the thumbnail of {volume.name} has {volume.thumbnail.shape} voxels, that of "
                f"{volumes[0].name} {volumes[0].thumbnail.shape}",
                remedy="use volumes of one crop and one grid",
            )
