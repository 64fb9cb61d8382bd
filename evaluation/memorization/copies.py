"""Whether samples are copies of training scans: how near each comes to its nearest one.

Distances are root mean squares in HU between thumbnails, clipped to the window and blurred by one
of their voxels, so that noise and the autoencoder's own error hide no copy. It may not see a copy
that is mirrored, moved by a voxel of the thumbnail or more, blurred by 1.5 voxels or more, or
lighter or darker by half of what real scans differ by (35 to 50 HU on phantoms).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.stats import fisher_exact, mannwhitneyu

from evaluation.memorization.finding import CopyFinding, Nearest
from evaluation.metric import Indices, Observations
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.errors import InputError

COPY_SHARE = 0.5  # of the median of real distances; least on phantoms: held-out 0.65, average 0.68
BLUR_VOXELS, STEP_VOXELS = 1.0, 2  # after the blur every second voxel says the same as all of them
FALSE_ALARMS = 0.05

Distances = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorization:
    """Samples and held-out scans with their nearest training scan, and training scans with the
    nearest of the others."""

    samples: tuple[Nearest, ...]
    held_out: tuple[Nearest, ...]
    training: tuple[Nearest, ...]

    @property
    def threshold_hu(self) -> float:
        """Half of the median distance of training scans: what is as near or nearer is a copy."""
        return copy_threshold_hu(_distances(self.training))

    @property
    def copies(self) -> tuple[Nearest, ...]:
        """The samples that are copies."""
        return tuple(one for one in self.samples if one.distance_hu <= self.threshold_hu)

    @property
    def false_alarm(self) -> float:
        """How likely samples have so many copies or more if they are real scans (Fisher's exact
        test against held-out and training scans)."""
        real = _distances((*self.held_out, *self.training))
        n_real = int((real <= self.threshold_hu).sum())
        n_copies = len(self.copies)
        table = [[n_copies, len(self.samples) - n_copies], [n_real, len(real) - n_real]]
        return float(fisher_exact(table, alternative="greater").pvalue)

    @property
    def is_copying(self) -> bool:
        """Whether a run is left out for copying: at most 5 in 100 honest ones are.

        Of 8 samples, 1 copy is enough with 152 real scans or more, 2 with 27, 3 with 14 (if none
        of those is as near to another).
        """
        return self.false_alarm <= FALSE_ALARMS

    def finding(self) -> CopyFinding:
        """What a run is judged by."""
        return CopyFinding(
            is_copying=self.is_copying,
            copies=self.copies,
            n_samples=len(self.samples),
            threshold_hu=self.threshold_hu,
            false_alarm=self.false_alarm,
        )

    @property
    def data_copying_z(self) -> float:
        """``data_copying_z`` of samples and held-out scans; raises InputError without the latter.

        The average of training scans lies below 0 too: blur alone does so, and is no copy.
        """
        return data_copying_z(_distances(self.samples), _distances(self.held_out))


def find_memorization(
    samples: Observations, *, held_out: Observations, training: Observations
) -> Memorization:
    """Each volume with its nearest training scan; held-out scans may be missing.

    Raises InputError for fewer than two training scans and for thumbnails of unlike shape.
    """
    return Memorization(
        samples=_pairs(samples, training, *nearest_training(samples, training)),
        held_out=_pairs(held_out, training, *nearest_training(held_out, training)),
        training=_pairs(training, training, *_nearest(distances_among_hu(training))),
    )


def nearest_training(samples: Observations, training: Observations) -> tuple[Distances, Indices]:
    """HU to the nearest training scan and its index, each of shape (n,)."""
    return _nearest(distances_hu(samples, training))


def distances_hu(samples: Observations, training: Observations) -> Distances:
    """All distances, shape (n, n_training); raises InputError unless all have one shape."""
    _check_shapes((*training, *samples))
    if not samples or not training:
        return np.zeros((len(samples), len(training)))
    ours, real = _vectors(samples), _vectors(training)
    return np.asarray(cdist(ours, real) / np.sqrt(ours.shape[1]), np.float64)


def distances_among_hu(training: Observations) -> Distances:
    """Distances of training scans from each other, shape (n, n), infinite from each to itself.

    Raises InputError for fewer than two, and unless all have one shape.
    """
    if len(training) < 2:
        raise InputError(
            f"copies are told by how training scans differ, got {len(training)}: give 2 or more"
        )
    _check_shapes(training)
    vectors = _vectors(training)
    apart = squareform(pdist(vectors)) / np.sqrt(vectors.shape[1])
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart, np.float64)


def copy_threshold_hu(nearest_hu: Distances) -> float:
    """Half of the median of what training scans lie from the nearest other one.

    A median, so that patients with two scans in the cohort do not lower it. Between average
    tissue and a copy: independent vectors lie at sqrt(1/2) of their mutual distance from their
    average, the average of two at 1/2.
    """
    return float(COPY_SHARE * np.median(nearest_hu))


def data_copying_z(samples_hu: Distances, held_out_hu: Distances) -> float:
    """How much nearer to training scans samples lie than held-out scans do (Meehan 2020).

    The z of the Mann-Whitney U of both sets of distances: about N(0, 1) for samples that are as
    real scans, below 0 for copies, above 0 for samples unlike real scans; few volumes bound it:
    8 samples and 5 held-out scans reach 2.9, with 28 held-out scans 4.3.
    """
    n, m = len(samples_hu), len(held_out_hu)
    if not (n and m):
        raise InputError(
            f"data copying takes samples and held-out scans, got {n} and {m}: give one or more each"
        )
    u = mannwhitneyu(samples_hu, held_out_hu).statistic
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def _check_shapes(volumes: Observations) -> None:
    for volume in volumes:
        if volume.thumbnail.shape != volumes[0].thumbnail.shape:
            raise InputError(
                "volumes are compared on one grid, the thumbnail of "
                f"{volume.name} has {volume.thumbnail.shape} voxels, that of {volumes[0].name} "
                f"{volumes[0].thumbnail.shape}: take samples and scans of one crop and grid"
            )


def _vectors(volumes: Observations) -> Distances:
    every = slice(None, None, STEP_VOXELS)
    return np.stack(
        [
            ndimage.gaussian_filter(
                volume.thumbnail.astype(np.float64).clip(*WINDOW_HU), BLUR_VOXELS
            )[every, every, every].ravel()
            for volume in volumes
        ]
    )


def _nearest(apart: Distances) -> tuple[Distances, Indices]:
    if not apart.size:
        return np.zeros(0), np.zeros(0, np.int64)
    return apart.min(axis=1), apart.argmin(axis=1)


def _pairs(
    volumes: Observations, training: Observations, distances: Distances, indices: Indices
) -> tuple[Nearest, ...]:
    return tuple(
        Nearest(name=volume.name, training=training[index].name, distance_hu=float(distance))
        for volume, distance, index in zip(volumes, distances, indices, strict=True)
    )


def _distances(pairs: Sequence[Nearest]) -> Distances:
    return np.array([one.distance_hu for one in pairs], np.float64)
