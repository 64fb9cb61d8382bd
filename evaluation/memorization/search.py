"""Find the training scan that is nearest to a volume, however the volume is moved or mirrored."""

from collections.abc import Sequence
from functools import lru_cache
from heapq import nsmallest
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from evaluation.memorization.alignment import Hu, Template, search_places, spline_of
from evaluation.memorization.finding import Nearest
from evaluation.metric import Observations
from evaluation.observation import Observation, require_one_grid
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.data.geometry.resample import AxisMap, resample
from ldm.errors import InputError

BLUR_VOXELS = 1.5  # of the thumbnail, so that noise and the autoencoder's error hide no copy
N_CANDIDATES, N_BEST = 8, 3  # places that are aligned roughly, and of these, to the end
DIGITS = 3  # of a distance in HU: fewer than single precision has
N_ROUGH, N_FINE = 3, 6  # comparisons for each of these places

Distances: TypeAlias = NDArray[np.float64]


class CopySearch:
    """Compares volumes with the training scans.

    Parameters
    ----------
    training
        The training scans, at least one, all with thumbnails of one shape.
    """

    def __init__(self, training: Observations) -> None:
        self._scans = np.stack([shrunk(one) for one in training])
        self._templates = [Template(scan) for scan in self._scans]

    def nearest(self, volume: Observation, *, leave_out: int | None = None) -> tuple[float, int]:
        """Return the distance of a volume to its nearest training scan in HU, and its index.

        The training scan with the index ``leave_out`` is left out. The distance is the root mean
        square difference of the middle of the training scan and the aligned volume, both blurred,
        without their mean difference.
        """
        hu = shrunk(volume)
        forms, spline = search_places(hu, self._scans), spline_of(hu)
        misfits = np.stack([form.misfits for form in forms])
        if leave_out is not None:
            misfits[:, leave_out] = np.inf
        rough = []
        for flat in np.argsort(misfits, axis=None, kind="stable")[:N_CANDIDATES]:
            form, index = divmod(int(flat), len(self._scans))
            if np.isfinite(misfits[form, index]):
                start, template = forms[form].placement(index), self._templates[index]
                rough.append((*template.align(spline, start, max_comparisons=N_ROUGH), index))
        best = nsmallest(N_BEST, rough, key=lambda one: one[0])
        fine = [
            (self._templates[index].align(spline, place, max_comparisons=N_FINE)[0], index)
            for _, place, index in best
        ]
        distance_hu, index = min(fine)
        return round(distance_hu, DIGITS), index


def nearest_training(samples: Observations, training: Observations) -> tuple[Nearest, ...]:
    """Return each sample with its nearest training scan.

    Raises InputError if thumbnails differ in shape.
    """
    require_one_grid((*training, *samples))
    return _nearest_training(tuple(samples), tuple(training))


def nearest_other(training: Observations) -> tuple[Nearest, ...]:
    """Return each training scan with its nearest other training scan.

    Raises
    ------
    InputError
        If there are fewer than two training scans, or if thumbnails differ in shape.
    """
    if len(training) < 2:
        raise InputError(
            "copies are recognized by how much training scans differ from each other",
            seen=f"got {len(training)}",
            remedy="give 2 or more",
        )
    require_one_grid(training)
    return _nearest_other(tuple(training))


def distances_of(pairs: Sequence[Nearest]) -> Distances:
    """Return the distances of pairs in HU, shape (n,)."""
    return np.array([one.distance_hu for one in pairs], np.float64)


# One evaluation asks for the same distances several times. Observations are compared by identity,
# so that they can be the key of a cache.
@lru_cache(maxsize=2)
def _search_of(training: tuple[Observation, ...]) -> CopySearch:
    return CopySearch(training)


@lru_cache(maxsize=8)
def _nearest_training(
    samples: tuple[Observation, ...], training: tuple[Observation, ...]
) -> tuple[Nearest, ...]:
    search = _search_of(training) if samples else None
    return tuple(_pair(one, training, search.nearest(one)) for one in samples if search)


@lru_cache(maxsize=2)
def _nearest_other(training: tuple[Observation, ...]) -> tuple[Nearest, ...]:
    search = _search_of(training)
    return tuple(
        _pair(one, training, search.nearest(one, leave_out=index))
        for index, one in enumerate(training)
    )


def _pair(volume: Observation, training: Observations, found: tuple[float, int]) -> Nearest:
    distance_hu, index = found
    return Nearest(name=volume.name, training=training[index].name, distance_hu=distance_hu)


def shrunk(volume: Observation) -> Hu:
    """Return the thumbnail in HU within the window, blurred, with half as many voxels a side."""
    hu = volume.thumbnail.astype(np.float32).clip(*WINDOW_HU)
    x, y, z = (max(1, n // 2) for n in hu.shape)
    a, b, c = (
        AxisMap(scale=n / m, offset=(n / m - 1) / 2)
        for n, m in zip(hu.shape, (x, y, z), strict=True)
    )
    blurred = ndimage.gaussian_filter(hu, BLUR_VOXELS)
    return np.ascontiguousarray(resample(blurred, (a, b, c), (x, y, z)), np.float32)
