"""Decide which samples are copies of training scans, and whether a model copies.

A sample is a copy if its nearest training scan is much nearer than training scans are to each
other. ``evaluation.memorization.search`` measures the distance: the root mean square difference of
two blurred thumbnails in HU, after the training scan is aligned with the sample. Copies are found
although they are mirrored, shifted by up to a fifth of a side, scaled by up to a tenth, lightly
blurred or noisy, or brighter or darker as a whole. ``docs/scores.md`` shows the limits.

The method may miss a copy that is rotated, bent, or blurred by 1.5 thumbnail voxels or more, and
one of which only an organ or another small part is copied.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, fisher_exact, mannwhitneyu

from evaluation.duplicates import distinct, without
from evaluation.memorization.finding import CopyFinding, FalseAlarms, Nearest
from evaluation.memorization.search import (
    Distances,
    distances_of,
    nearest_other,
    nearest_training,
)
from evaluation.metric import Observations
from ldm.errors import InputError

# The threshold for a copy, as a share of the median distance between training scans.
# benchmarks/copies.py measures how far unseen scans and altered copies are from it.
COPY_SHARE = 0.5
FALSE_ALARMS = 0.05  # share of honest runs that may be called copying
MIN_REAL_SCANS = 4  # of fewer real scans, nothing is said about false alarms


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
        return copy_threshold_hu(distances_of(self.training))

    @property
    def copies(self) -> tuple[Nearest, ...]:
        """The samples whose distance is at most the threshold."""
        return tuple(one for one in self.samples if one.distance_hu <= self.threshold_hu)

    @property
    def real(self) -> tuple[Nearest, ...]:
        """The real scans that are compared with training scans other than themselves."""
        return (*self.held_out, *self.training)

    @property
    def false_alarms(self) -> FalseAlarms | None:
        """How many real scans would be called copies, or None for fewer than 4 real scans.

        The interval is that of Clopper and Pearson.
        """
        n, n_alarms = len(self.real), self._n_alarms
        if n < MIN_REAL_SCANS:
            return None
        interval = binomtest(n_alarms, n).proportion_ci(method="exact")
        return FalseAlarms(
            n_scans=n, n_alarms=n_alarms, low=float(interval.low), high=float(interval.high)
        )

    @property
    def false_alarm(self) -> float | None:
        """The probability of at least this many copies if the samples were real scans.

        It is the p-value of Fisher's exact test, which compares the samples with the held-out and
        training scans. None if no sample is a copy.
        """
        n_copies, n_samples, n_real = len(self.copies), len(self.samples), len(self.real)
        if not n_copies:
            return None
        table = [
            [n_copies, n_samples - n_copies],
            [self._n_alarms, n_real - self._n_alarms],
        ]
        return float(fisher_exact(table, alternative="greater").pvalue)

    @property
    def _n_alarms(self) -> int:
        return int((distances_of(self.real) <= self.threshold_hu).sum())

    @property
    def is_copying(self) -> bool:
        """True if a run is excluded for copying. At most 5 in 100 honest runs are.

        Of 8 samples, 1 copy is enough if there are at least 152 real scans, 2 copies if there are
        27, and 3 copies if there are 14, provided that no real scan lies within the threshold of
        another one.
        """
        return self.false_alarm is not None and self.false_alarm <= FALSE_ALARMS

    def finding(self) -> CopyFinding:
        """Return the result that is stored with a run and shown to users."""
        return CopyFinding(
            is_copying=self.is_copying,
            copies=self.copies,
            n_samples=len(self.samples),
            threshold_hu=self.threshold_hu,
            false_alarm=self.false_alarm,
            false_alarms=self.false_alarms,
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
        return data_copying_z(distances_of(self.samples), distances_of(self.held_out))


def find_memorization(
    samples: Observations, *, held_out: Observations, training: Observations
) -> Memorization:
    """Find the nearest training scan of every volume.

    ``held_out`` may be empty. Held-out scans that are training scans too are left out, and
    identical training scans count once.

    Raises
    ------
    InputError
        If there are fewer than two different training scans, or if thumbnails differ in shape.
    """
    training = distinct(training)
    return Memorization(
        samples=nearest_training(samples, training),
        held_out=nearest_training(without(distinct(held_out), training), training),
        training=nearest_other(training),
    )


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
