"""What is kept of one volume: all scores are computed from this, none from its voxels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.volume import FloatArray, Volume

Features = Callable[[Volume], FloatArray]  # a volume -> (slices, channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganFinding:
    """One organ in one volume, as TotalSegmentator sees it.

    ``agreement`` is the Dice of two of its models, 0 where either finds nothing; volume and
    centroid are those of the finer model. An organ that it does not find has 0 ml and the centroid
    None. The centroid counts mm from the center of the volume.
    """

    organ: str
    agreement: float
    volume_ml: float
    centroid_mm: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that scores need of one volume.

    Histograms have shape (200,), ``thumbnail`` is HU averaged to at most 48 voxels an axis, in
    half precision; ``features`` are (slices, channels) by the name of their network; ``organs``
    is empty where nothing was segmented. ``is_failed`` says that segmenting it has ended two
    processes: its organs count as missing.
    """

    name: str
    body_histogram: NDArray[np.float64]
    grid_histogram: NDArray[np.float64]
    thumbnail: NDArray[np.float16]
    features: Mapping[str, FloatArray]
    organs: tuple[OrganFinding, ...]
    is_failed: bool = False
