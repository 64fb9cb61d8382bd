"""Turns volumes into observations, one at a time.

The expensive part (features and segmentation) is done once per volume; all scores share it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.attempts import AttemptLog
from evaluation.histograms.histogram import scan_histograms
from evaluation.observation import Features, Observation, OrganFinding
from ldm.data.geometry.body import body_mask
from ldm.data.geometry.resample import AxisMap, resample
from ldm.data.geometry.volume import FloatArray, Volume
from ldm.errors import ScanError

THUMBNAIL_VOXELS = 48  # along each axis, at most


class FindsOrgans(Protocol):
    """Finds organs in a volume; its number in the set decides the scan that it is put into."""

    organs: tuple[str, ...]

    def __call__(self, index: int, volume: Volume) -> tuple[OrganFinding, ...]:
        """The organs of one volume, one finding for each of ``organs``."""
        ...


class Observer:
    """Looks at one volume after another, in the same way."""

    def __init__(
        self,
        *,
        features: Mapping[str, Features] | None = None,
        find_organs: FindsOrgans | None = None,
    ) -> None:
        self._features = dict(features or {})
        self._find_organs = find_organs

    def observe(
        self, index: int, name: str, volume: Volume, attempts: AttemptLog | None = None
    ) -> Observation:
        """One volume in HU, shape (x, y, z); raises ScanError with its name for NaN."""
        hu = volume.array
        check_finite(name, hu)
        body_histogram, grid_histogram = scan_histograms(hu, body_mask(hu))
        is_failed = attempts is not None and attempts.is_given_up(name)
        with attempts.attempt(name) if attempts and not is_failed else nullcontext():
            organs = self._organs(index, volume, is_failed=is_failed)
        return Observation(
            name=name,
            body_histogram=body_histogram,
            grid_histogram=grid_histogram,
            thumbnail=thumbnail(hu),
            features={network: look(volume) for network, look in self._features.items()},
            organs=organs,
            is_failed=is_failed,
        )

    def observe_all(
        self, volumes: Iterable[tuple[str, Volume]], attempts: AttemptLog | None = None
    ) -> Iterator[Observation]:
        """Each of (name, volume) in turn; ``attempts`` outlives a process that dies at one."""
        for index, (name, volume) in enumerate(volumes):
            yield self.observe(index, name, volume, attempts)

    def _organs(self, index: int, volume: Volume, *, is_failed: bool) -> tuple[OrganFinding, ...]:
        if self._find_organs is None:
            return ()
        if is_failed:
            return tuple(
                OrganFinding(organ=organ, agreement=0.0, volume_ml=0.0, centroid_mm=None)
                for organ in self._find_organs.organs
            )
        return self._find_organs(index, volume)


def check_finite(name: str, hu: FloatArray) -> None:
    """Raise ScanError unless every voxel is a number."""
    n_broken = hu.size - int(np.count_nonzero(np.isfinite(hu)))
    if n_broken:
        raise ScanError(
            f"a volume to score holds finite HU, {n_broken} of {hu.size} voxels of {name} do not: "
            "leave it out, and look at what wrote it"
        )


def thumbnail(hu: FloatArray) -> NDArray[np.float16]:
    """HU averaged to at most 48 voxels along each axis, over the same extent."""
    x, y, z = (min(n, THUMBNAIL_VOXELS) for n in hu.shape)
    maps = [
        AxisMap(scale=n / m, offset=(n / m - 1) / 2)
        for n, m in zip(hu.shape, (x, y, z), strict=True)
    ]
    small = resample(hu, (maps[0], maps[1], maps[2]), (x, y, z))
    return np.ascontiguousarray(small).astype(np.float16)
