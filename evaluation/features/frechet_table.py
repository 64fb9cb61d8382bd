"""The study's Table 2 once more: what a Fréchet distance says of real scans and of two models.

Of three sets of volumes: real scans, samples of a model early in training, and of it late. The
study's sets, slices and scaling are not published: its values stand beside ours, to compare their
order alone.
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
    """Observations of the three sets."""

    real: Observations
    early: Observations
    late: Observations


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: ours over n volumes a side, and what the study found."""

    experiment: int
    description: str
    score: Score
    study: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much nearer to real the late samples score than the early ones, n of each.

    ``null_low`` and ``null_high`` are 95 % of the differences where early and late are dealt out
    at random, ``p`` the share of those at least as large in size, itself counted.
    """

    early: float
    late: float
    n: int
    null_low: float
    null_high: float
    p: float

    @property
    def value(self) -> float:
        """Early less late: above 0 where late scores nearer to real."""
        return self.early - self.late

    @property
    def is_beyond_null(self) -> bool:
        """Whether it is larger, or smaller, than chance makes it."""
        return not self.null_low <= self.value <= self.null_high

    def sentence(self) -> str:
        """What the score says of the two models."""
        order = "nearer to real scans than" if self.value > 0 else "no nearer to real scans than"
        beyond = "beyond" if self.is_beyond_null else "within"
        return (
            f"The score ranks the late samples {order} the early ones ({self.late:.4g} against "
            f"{self.early:.4g}, n = {self.n}): the difference of {self.value:.3g} lies {beyond} "
            f"the {self.null_low:.3g} to {self.null_high:.3g} that dealing the samples out at "
            f"random gives (p = {self.p:.3f})."
        )


def table(metric: Metric, sets: Sets, *, seed: int = 0) -> tuple[Row, ...]:
    """The eight comparisons, in the study's order.

    "The same" is a set against itself, whose value is exact; "not the same" is one random half
    against the other, mean and interval over 200 draws; a model against real scans has its
    interval over its samples. Early and late count alike. Raises InputError for a set of fewer
    than two volumes.
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
    """The first n of the early and of the late samples, n what both have: the distance falls
    with n. Raises InputError for a set of fewer than two volumes."""
    for name, volumes in (("real", sets.real), ("early", sets.early), ("late", sets.late)):
        if len(volumes) < 2:
            raise InputError(
                f"halves of a set take two volumes or more, the {name} set has {len(volumes)}: "
                "give more"
            )
    n = min(len(sets.early), len(sets.late))
    return sets.early[:n], sets.late[:n]


def compare_models(metric: Metric, sets: Sets, *, seed: int = 0) -> Difference:
    """Early less late, each against all real scans, beside 500 random relabelings of the samples.

    Were early and late samples of one distribution, every relabeling would be as likely.
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
