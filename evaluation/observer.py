"""Turn volumes into observations, one at a time.

Features and segmentation are expensive. They are computed once per volume and shared by all scores.
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
    """A function that finds organs in a volume.

    ``index`` is the number of the volume in its set. It decides the held-out scan that a sample is
    put into, if samples are segmented inside scans.
    """

    organs: tuple[str, ...]

    def __call__(self, index: int, volume: Volume) -> tuple[OrganFinding, ...]:
        """Return one finding for each of ``organs``."""
        ...


class Observer:
    """Makes observations of volumes.

    Parameters
    ----------
    features
        Networks that compute features, by name.
    find_organs
        Finds the organs of a volume. Without it, observations have no organs.
    """

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
        """Observe one volume in HU, shape (x, y, z).

        ``index`` is the number of the volume in its set (see ``FindsOrgans``), and ``name`` its
        name. ``attempts`` counts the attempts to segment it. After two crashes it is not segmented
        again and counts as failed. Raises ScanError if a voxel is not finite.
        """
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
        """Observe pairs of a name and a volume one after another.

        ``attempts`` is kept in a file, so it survives a process that crashes at a volume.
        """
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
    """Raise ScanError unless all voxels are finite."""
    n_broken = hu.size - int(np.count_nonzero(np.isfinite(hu)))
    if n_broken:
        raise ScanError(
            "a volume must have finite HU to be scored",
            seen=f"{n_broken} of {hu.size} voxels of {name} do not",
            remedy="leave it out, and check what wrote it",
        )


def thumbnail(hu: FloatArray) -> NDArray[np.float16]:
    """Return the volume averaged to at most 48 voxels along each axis, over the same extent."""
    x, y, z = (min(n, THUMBNAIL_VOXELS) for n in hu.shape)
    maps = [
        AxisMap(scale=n / m, offset=(n / m - 1) / 2)
        for n, m in zip(hu.shape, (x, y, z), strict=True)
    ]
    small = resample(hu, (maps[0], maps[1], maps[2]), (x, y, z))
    return np.ascontiguousarray(small).astype(np.float16)
