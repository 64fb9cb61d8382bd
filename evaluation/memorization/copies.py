"""Find samples that are copies of training scans.

A sample is a copy if its nearest training scan is much nearer than training scans are to each
other. The distance is the root mean square difference of two thumbnails in HU. Thumbnails are first
clipped to the HU window and blurred by one voxel, so that noise and the autoencoder's own error
cannot hide a copy.

The method may miss a copy that is mirrored, shifted by one thumbnail voxel or more, blurred by 1.5
voxels or more, or brighter or darker by half of the typical distance between two training scans
(this half is 35 to 50 HU on phantoms).
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

# The threshold for a copy, as a share of the median distance between training scans. On phantoms
# the smallest distance of a held-out scan is 0.65 of it, and that of an average of scans 0.68.
COPY_SHARE = 0.5
BLUR_VOXELS, STEP_VOXELS = 1.0, 2  # after the blur, every second voxel carries all the information
FALSE_ALARMS = 0.05  # share of honest runs that may be called copying

Distances = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorization:
    """The nearest training scan of every volume, and what follows about copying.

    Attributes
    ----------
    samples, held_out
        Each sample and each held-out scan with its nearest training scan.
    training
        Each training scan with the nearest other training scan.
    """

    samples: tuple[Nearest, ...]
    held_out: tuple[Nearest, ...]
    training: tuple[Nearest, ...]

    @property
    def threshold_hu(self) -> float:
        """The largest distance in HU at which a sample counts as a copy.

        It is half of the median distance between a training scan and its nearest other one.
        """
        return copy_threshold_hu(_distances(self.training))

    @property
    def copies(self) -> tuple[Nearest, ...]:
        """The samples whose distance is at most the threshold."""
        return tuple(one for one in self.samples if one.distance_hu <= self.threshold_hu)

    @property
    def false_alarm(self) -> float:
        """The probability of at least this many copies if the samples were real scans.

        It is the p-value of Fisher's exact test, which compares the samples with the held-out and
        training scans.
        """
        real = _distances((*self.held_out, *self.training))
        n_real = int((real <= self.threshold_hu).sum())
        n_copies = len(self.copies)
        table = [[n_copies, len(self.samples) - n_copies], [n_real, len(real) - n_real]]
        return float(fisher_exact(table, alternative="greater").pvalue)

    @property
    def is_copying(self) -> bool:
        """True if a run is excluded for copying. At most 5 in 100 honest runs are.

        Of 8 samples, 1 copy is enough if there are at least 152 real scans, 2 copies if there are
        27, and 3 copies if there are 14, provided that no real scan lies within the threshold of
        another one.
        """
        return self.false_alarm <= FALSE_ALARMS

    def finding(self) -> CopyFinding:
        """Return the result that is stored with a run and shown to users."""
        return CopyFinding(
            is_copying=self.is_copying,
            copies=self.copies,
            n_samples=len(self.samples),
            threshold_hu=self.threshold_hu,
            false_alarm=self.false_alarm,
        )

    @property
    def data_copying_z(self) -> float:
        """The z-value of ``data_copying_z`` for the samples and held-out scans.

        A value below 0 is no proof of copying: blur alone brings a volume nearer to training scans,
        so even the average of all training scans has a value below 0.

        Raises
        ------
        InputError
            If there are no held-out scans.
        """
        return data_copying_z(_distances(self.samples), _distances(self.held_out))


def find_memorization(
    samples: Observations, *, held_out: Observations, training: Observations
) -> Memorization:
    """Find the nearest training scan of every volume.

    ``held_out`` may be empty.

    Raises
    ------
    InputError
        If there are fewer than two training scans, or if thumbnails differ in shape.
    """
    return Memorization(
        samples=_pairs(samples, training, *nearest_training(samples, training)),
        held_out=_pairs(held_out, training, *nearest_training(held_out, training)),
        training=_pairs(training, training, *_nearest(distances_between_training_hu(training))),
    )


def nearest_training(samples: Observations, training: Observations) -> tuple[Distances, Indices]:
    """Return the distance of each sample to its nearest training scan in HU, and that scan's index.

    Both arrays have shape (n,).
    """
    return _nearest(distances_hu(samples, training))


def distances_hu(samples: Observations, training: Observations) -> Distances:
    """Return the distances in HU of all samples to all training scans, shape (n, n_training).

    Raises InputError if thumbnails differ in shape.
    """
    _check_shapes((*training, *samples))
    if not samples or not training:
        return np.zeros((len(samples), len(training)))
    ours, real = _vectors(samples), _vectors(training)
    return np.asarray(cdist(ours, real) / np.sqrt(ours.shape[1]), np.float64)


def distances_between_training_hu(training: Observations) -> Distances:
    """Return the distances in HU between all training scans, shape (n, n).

    The distance of a scan to itself is infinite, so that it is never its own nearest scan.

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
    _check_shapes(training)
    vectors = _vectors(training)
    apart = squareform(pdist(vectors)) / np.sqrt(vectors.shape[1])
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart, np.float64)


def copy_threshold_hu(nearest_hu: Distances) -> float:
    """Return the distance in HU up to which a sample counts as a copy.

    It is half of the median distance between a training scan and its nearest other one. The median
    is not lowered by a few patients with two scans in the cohort. The factor of one half lies
    between a copy and average tissue: the average of many independent vectors lies at sqrt(1/2) of
    their mutual distance from each of them, and the average of two at 1/2.

    Parameters
    ----------
    nearest_hu
        Distance of each training scan to its nearest other one, shape (n,).
    """
    return float(COPY_SHARE * np.median(nearest_hu))


def data_copying_z(samples_hu: Distances, held_out_hu: Distances) -> float:
    """Return how much nearer samples are to training scans than held-out scans are (Meehan 2020).

    The result is the z-value of the Mann-Whitney U of both sets of distances. It follows about
    N(0, 1) for samples that resemble real scans, is below 0 for copies, and above 0 for samples
    unlike real scans. Small sets limit its size: 8 samples and 5 held-out scans reach 2.9 at most,
    8 samples and 28 held-out scans reach 4.3.

    Raises
    ------
    InputError
        If either set is empty.
    """
    n, m = len(samples_hu), len(held_out_hu)
    if not (n and m):
        raise InputError(
            "the test for data copying needs samples and held-out scans",
            seen=f"got {n} and {m}",
            remedy="give at least one of each",
        )
    u = mannwhitneyu(samples_hu, held_out_hu).statistic
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def _check_shapes(volumes: Observations) -> None:
    for volume in volumes:
        if volume.thumbnail.shape != volumes[0].thumbnail.shape:
            raise InputError(
                "volumes can only be compared on the same grid",
                seen=f"the thumbnail of {volume.name} has {volume.thumbnail.shape} voxels, that of "
                f"{volumes[0].name} {volumes[0].thumbnail.shape}",
                remedy="use samples and scans of one crop and one grid",
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
