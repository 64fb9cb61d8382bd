"""Repeat the study's Table 2: the Fréchet distance of real scans, an early and a late model.

The study is O. Drenth's bachelor thesis (Leiden University, 2024). The three sets of volumes are
real scans, samples of a model early in its training, and samples of the same model late in its
training. The study did not publish its sets, slices or scaling. Its values are shown beside ours,
but only their order can be compared.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.metric import Metric, Observations, RealScans, null_score, score_of
from evaluation.score import INTERVAL, Score
from ldm.errors import InputError

SOURCE = 'the study\'s Table 2, "FID score experiments for full-body scans"'
STUDY_EARLY_EPOCH, STUDY_LATE_EPOCH = 200, 4600
N_RELABELINGS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """Observations of real scans, and of samples early and late in training."""

    real: Observations
    early: Observations
    late: Observations


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison of two sets of volumes.

    Attributes
    ----------
    experiment
        Number of the comparison in the study's Table 2, from 1 to 8.
    description
        What is compared, in words.
    score
        Our Fréchet distance, with its interval and the number of volumes on each side.
    study
        The Fréchet distance that the study reports.
    """

    experiment: int
    description: str
    score: Score
    study: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A permutation test of whether late samples are nearer to real scans than early ones.

    Attributes
    ----------
    early, late
        Fréchet distance of the early and of the late samples to the real scans.
    n
        Number of early samples, and of late samples.
    null_low, null_high
        95 % interval of the difference if the samples are assigned to early and late at random.
    p
        Share of those random differences that are at least as large in absolute value. The
        observed difference counts as one of them.
    """

    early: float
    late: float
    n: int
    null_low: float
    null_high: float
    p: float

    @property
    def value(self) -> float:
        """The early distance minus the late one; above 0 if late samples are nearer to real."""
        return self.early - self.late

    @property
    def is_beyond_null(self) -> bool:
        """True if the difference lies outside the interval that chance gives, on either side."""
        return not self.null_low <= self.value <= self.null_high

    def sentence(self) -> str:
        """Return one sentence on which model the score ranks nearer to real scans."""
        order = "nearer to real scans than" if self.value > 0 else "no nearer to real scans than"
        position = "outside" if self.is_beyond_null else "within"
        return (
            f"The score ranks the late samples {order} the early ones ({self.late:.4g} against "
            f"{self.early:.4g}, n = {self.n}). The difference of {self.value:.3g} lies {position} "
            f"the range of {self.null_low:.3g} to {self.null_high:.3g} that chance gives when the "
            f"samples are assigned to early and late at random (p = {self.p:.3f})."
        )


def table(metric: Metric, sets: Sets, *, seed: int = 0) -> tuple[Row, ...]:
    """Return the eight comparisons of the study's Table 2, in its order.

    - A set against the same set has an exact value and no spread.
    - A set against others of its kind is one random half against the other half, with the mean and
      interval over 1000 random splits.
    - A model against real scans has a bootstrap interval over its samples.

    As many early as late samples are used.

    Raises
    ------
    InputError
        If a set has fewer than two volumes.
    """
    early, late = same_number(sets)
    rows = [
        ("real against the same real scans", _same(metric, sets.real), 0.0),
        ("real against other real scans", _halves(metric, sets.real, seed), 852.516),
        ("late against the same late samples", _same(metric, late), 0.0),
        ("late against other late samples", _halves(metric, late, seed), 1.405),
        ("early against the same early samples", _same(metric, early), 0.0),
        ("early against other early samples", _halves(metric, early, seed), 1.273),
        ("early samples against real scans", _to_real(metric, early, sets.real, seed), 4837.313),
        ("late samples against real scans", _to_real(metric, late, sets.real, seed), 4839.994),
    ]
    return tuple(
        Row(experiment=number, description=description, score=score, study=study)
        for number, (description, score, study) in enumerate(rows, start=1)
    )


def same_number(sets: Sets) -> tuple[Observations, Observations]:
    """Return the first n early and the first n late samples, where n is the smaller set's size.

    The Fréchet distance falls with n, so the two models must be compared at the same n.

    Raises
    ------
    InputError
        If any of the three sets has fewer than two volumes.
    """
    for name, volumes in (("real", sets.real), ("early", sets.early), ("late", sets.late)):
        if len(volumes) < 2:
            raise InputError(
                "a set needs two volumes or more to be split into halves",
                seen=f"the {name} set has {len(volumes)}",
                remedy="give more volumes",
            )
    n = min(len(sets.early), len(sets.late))
    return sets.early[:n], sets.late[:n]


def compare_models(metric: Metric, sets: Sets, *, seed: int = 0) -> Difference:
    """Test whether the late samples are nearer to real scans than the early ones.

    Both are compared with all real scans. The null distribution comes from 500 random relabelings
    of the samples as early and late, which would all be equally likely if both sets had the same
    distribution.
    """
    early, late = same_number(sets)
    n, rng = len(early), np.random.default_rng(seed)
    statistic = metric.prepare((*early, *late), sets.real)
    real = np.arange(len(sets.real))
    orders = [np.arange(2 * n), *(rng.permutation(2 * n) for _ in range(N_RELABELINGS))]
    values = np.array(
        [[statistic(order[:n], real), statistic(order[n:], real)] for order in orders]
    )
    differences = values[:, 0] - values[:, 1]
    low, high = np.percentile(differences[1:], INTERVAL)
    return Difference(
        early=float(values[0, 0]),
        late=float(values[0, 1]),
        n=n,
        null_low=float(low),
        null_high=float(high),
        p=float((np.abs(differences) >= abs(differences[0]) * (1 - 1e-9)).mean()),
    )


def _same(metric: Metric, volumes: Observations) -> Score:
    value = metric.value(volumes, volumes)
    return Score(value=value, low=value, high=value, n=len(volumes))


def _halves(metric: Metric, volumes: Observations, seed: int) -> Score:
    half = len(volumes) // 2
    return null_score(metric, volumes, n=half, n_reference=half, seed=seed)


def _to_real(metric: Metric, samples: Observations, real: Observations, seed: int) -> Score:
    return score_of(metric, samples, RealScans(held_out=real, training=()), seed=seed)
