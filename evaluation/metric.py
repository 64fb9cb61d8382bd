"""A score as a function of two sets of volumes, and how it is measured beside real and nonsense."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evaluation.damage.kinds import Damage
from evaluation.measurement import Better, Measurement
from evaluation.observation import Observation
from evaluation.score import INTERVAL, Score, bootstrap
from ldm.errors import InputError

N_NULL_DRAWS = 1000  # the ends of an interval of 200 draws may cover 92 % as well as 96 %

Indices = NDArray[np.int64]
Observations = Sequence[Observation]
# Of the samples and the reference that it was prepared for, those with these indices: a bootstrap
# draws an index several times, so a pair of one index is a volume with itself.
Statistic = Callable[[Indices, Indices], float]


class Against(StrEnum):
    """Which real scans the samples are compared with."""

    HELD_OUT = "held-out scans"
    TRAINING = "training scans"
    NOTHING = "nothing"  # each sample, or each pair, is judged by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One score; ``prepare`` does what is expensive once for all draws of an interval.

    ``prepare`` takes samples and reference; against nothing, the reference is empty. ``empty``
    says what volumes without a body, or without the organ, score. ``needs_organs`` leaves real
    scans out that were not segmented; ``has_floor`` is False where nonsense does not do badly.
    ``blind_to`` is the known damage that the score does not see, as a test shows.
    ``falls_with_n``: the fewer distinct volumes, the higher it is for the same distribution;
    intervals allow for it. ``min_volumes`` are needed in a set.
    """

    name: str
    unit: str
    better: Better
    against: Against
    empty: str
    prepare: Callable[[Observations, Observations], Statistic]
    needs_organs: bool = False
    has_floor: bool = True
    blind_to: frozenset[Damage] = frozenset()
    falls_with_n: bool = False
    min_volumes: int = 1

    def value(self, samples: Observations, reference: Observations) -> float:
        """The score of all samples against the whole reference."""
        statistic = self.prepare(samples, reference)
        return statistic(np.arange(len(samples)), np.arange(len(reference)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RealScans:
    """The real scans that samples are measured by; training scans may be missing."""

    held_out: Observations
    training: Observations

    def reference(self, metric: Metric) -> Observations:
        """The scans that a score compares with; raises InputError where there are none."""
        if metric.against is Against.NOTHING:
            return ()
        scans = self.held_out if metric.against is Against.HELD_OUT else self.training
        if not scans:
            raise InputError(f"{metric.name} compares with {metric.against}, none were given")
        return scans

    def can_measure(self, metric: Metric) -> bool:
        """Whether there are the real scans that a score and its null take."""
        if metric.against is Against.NOTHING:
            return True
        if metric.against is Against.TRAINING:
            return len(self.training) > 1
        n = metric.min_volumes
        return len(self.held_out) >= n and len(self.pool(metric)) >= 2 * n

    def pool(self, metric: Metric) -> Observations:
        """All real scans that two parts can be drawn from."""
        everything = (*self.held_out, *self.training)
        return tuple(one for one in everything if one.organs or not metric.needs_organs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What tells the meaning of a score: measured once for a cohort, crop and grid."""

    name: str
    real: Score
    nonsense: Score | None


def measure_anchors(
    metric: Metric, scans: RealScans, nonsense: Observations, *, n: int, seed: int = 0
) -> Anchors:
    """Real scans and nonsense by the path of n samples."""
    return Anchors(
        name=metric.name,
        real=real_score(metric, scans, n=n, seed=seed),
        nonsense=score_of(metric, nonsense, scans, seed=seed) if metric.has_floor else None,
    )


def measure(
    metric: Metric, samples: Observations, scans: RealScans, anchors: Anchors, *, seed: int = 0
) -> Measurement:
    """The score of samples, with its interval over them, between its anchors."""
    return Measurement(
        name=metric.name,
        unit=metric.unit,
        better=metric.better,
        score=score_of(metric, samples, scans, seed=seed),
        real=anchors.real,
        nonsense=anchors.nonsense,
    )


def score_of(metric: Metric, samples: Observations, scans: RealScans, *, seed: int = 0) -> Score:
    """Value and interval over the samples; the reference stays as it is."""
    reference = scans.reference(metric)
    statistic, all_of_it = metric.prepare(samples, reference), np.arange(len(reference))
    return bootstrap(
        len(samples),
        lambda index: statistic(index, all_of_it),
        seed=seed,
        is_centered=metric.falls_with_n,
    )


def real_score(metric: Metric, scans: RealScans, *, n: int, seed: int = 0) -> Score:
    """What real scans score in the place of n samples.

    Against held-out scans: any n and as many others as the reference has, drawn without
    replacement from all real scans (the null; mean and interval over 1000 draws). Against training
    scans, and against nothing: the held-out scans themselves. The score's n says how many there
    were where there are fewer than n.
    """
    if metric.against is not Against.HELD_OUT:
        return score_of(metric, scans.held_out, scans, seed=seed)
    return null_score(metric, scans.pool(metric), n=n, n_reference=len(scans.held_out), seed=seed)


def null_score(
    metric: Metric, pool: Observations, *, n: int, n_reference: int, seed: int = 0
) -> Score:
    """The score between two disjoint random parts of one pool, as a mean and 95 % of draws."""
    if len(pool) < 2:
        raise InputError(f"real against real takes two real scans or more, there is {len(pool)}")
    n = min(n, len(pool) // 2)
    n_reference = min(n_reference, len(pool) - n)
    statistic, rng = metric.prepare(pool, pool), np.random.default_rng(seed)

    @cache  # a small pool has few parts, each drawn many times
    def between(part: tuple[int, ...], other: tuple[int, ...]) -> float:
        return statistic(np.array(part), np.array(other))

    draws = []
    for _ in range(N_NULL_DRAWS):
        order = rng.permutation(len(pool))
        parts = (order[:n], order[n : n + n_reference])
        draws.append(between(*(tuple(sorted(part.tolist())) for part in parts)))
    low, high = np.percentile(draws, INTERVAL)
    return Score(value=float(np.mean(draws)), low=float(low), high=float(high), n=n)
