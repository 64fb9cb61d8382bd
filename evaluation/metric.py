"""Scores as functions of two sets of volumes, and their anchors: real scans and nonsense."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evaluation.damage.kinds import Damage
from evaluation.duplicates import distinct, groups_of, without
from evaluation.measurement import Better, Measurement
from evaluation.observation import Observation
from evaluation.score import INTERVAL, Score, bootstrap, score_within
from ldm.errors import InputError

N_NULL_DRAWS = 1000  # with 200 draws, a nominal 95 % interval may cover anything from 92 to 96 %

Indices = NDArray[np.int64]
Observations = Sequence[Observation]
# Computes the score from indices into the samples and into the reference that it was prepared for.
# A bootstrap draws some indices several times. Two equal indices are the same volume.
Statistic = Callable[[Indices, Indices], float]


class Against(StrEnum):
    """Which real scans the samples are compared with."""

    HELD_OUT = "held-out scans"
    TRAINING = "training scans"
    NOTHING = "nothing"  # the score needs the samples alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The definition of one score.

    Attributes
    ----------
    name
        Name of the score.
    unit
        Its unit.
    better
        The direction in which it improves.
    against
        The real scans that samples are compared with.
    empty
        What volumes without a body, or without the organ, score.
    prepare
        Takes samples and reference, does the expensive work once, and returns a function that
        computes the score from indices. The reference is empty if samples are compared with
        nothing.
    needs_organs
        Whether only segmented real scans can be used.
    has_floor
        Whether nonsense scores badly, so that its score is a floor.
    blind_to
        The known damage that does not change the score, as tests show.
    falls_with_n
        Whether the score is higher for fewer distinct volumes of the same distribution. Intervals
        are corrected for this.
    min_volumes
        How many volumes a set must have.
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
        """Return the score of all samples against the whole reference."""
        statistic = self.prepare(samples, reference)
        return statistic(np.arange(len(samples)), np.arange(len(reference)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RealScans:
    """Observations of the real scans that samples are compared with.

    ``held_out`` are scans that the model was not trained on, and ``training`` those that it was
    trained on. ``training`` may be empty.
    """

    held_out: Observations
    training: Observations

    def reference(self, metric: Metric) -> Observations:
        """Return the scans that a score compares samples with.

        Of identical scans, only the first is returned. The result is empty if the score compares
        samples with nothing. Raises InputError if the score needs scans of a kind, held-out or
        training, and there are none.
        """
        if metric.against is Against.NOTHING:
            return ()
        scans = self.held_out if metric.against is Against.HELD_OUT else self.training
        if not scans:
            raise InputError(
                f"{metric.name} compares with {metric.against}", seen="none were given"
            )
        return distinct(scans)

    def reason_against(self, metric: Metric) -> str | None:
        """Return why there are too few real scans for a score, or None if there are enough.

        They must be enough for the score of real scans too, which ``real_score`` returns.
        """
        n, n_held_out = metric.min_volumes, len(distinct(self.held_out))
        if metric.against is Against.TRAINING:
            n_training = len(distinct(self.training))
            if n_training < 2:
                return f"needs 2 different training scans, there are {n_training}"
            n_unseen = len(self.in_place_of_samples(metric))
            return None if n_unseen else "needs a held-out scan that is not a training scan too"
        if n_held_out < n and (n > 1 or metric.against is Against.HELD_OUT):
            return f"needs {n} different held-out scans, there are {n_held_out}"
        n_pool = len(self.pool(metric))
        if metric.against is Against.HELD_OUT and n_pool < 2 * n:
            return f"needs {2 * n} different real scans, of which there are {n_pool}"
        return None

    def in_place_of_samples(self, metric: Metric) -> Observations:
        """Return the held-out scans that are scored like samples, to get the score of real scans.

        Of identical scans, only the first is returned. If a score compares samples with training
        scans, held-out scans that are training scans too are left out.
        """
        held_out = distinct(self.held_out)
        return without(held_out, self.training) if metric.against is Against.TRAINING else held_out

    def pool(self, metric: Metric) -> Observations:
        """Return all real scans that a score can use, held-out scans first.

        ``real_score`` draws two disjoint parts of them. Of identical scans, only the first is
        returned, so that no scan is compared with itself. A score that needs organs can use
        segmented scans only.
        """
        everything = (*self.held_out, *self.training)
        return distinct([one for one in everything if one.organs or not metric.needs_organs])


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """The scores to compare a score with. They are measured once for a cohort, crop and grid.

    Attributes
    ----------
    name
        Name of the score.
    real
        The score of real scans.
    nonsense
        The score of smooth noise, or None if the score has no floor.
    """

    name: str
    real: Score
    nonsense: Score | None


def measure_anchors(
    metric: Metric, scans: RealScans, nonsense: Observations, *, n: int, seed: int = 0
) -> Anchors:
    """Measure the score of real scans and of smooth noise, for comparison with ``n`` samples.

    ``nonsense`` holds observations of smooth noise. The score of real scans is computed as for a
    set of ``n`` samples (see ``real_score``).
    """
    return Anchors(
        name=metric.name,
        real=real_score(metric, scans, n=n, seed=seed),
        nonsense=score_of(metric, nonsense, scans, seed=seed) if metric.has_floor else None,
    )


def measure(
    metric: Metric, samples: Observations, scans: RealScans, anchors: Anchors, *, seed: int = 0
) -> Measurement:
    """Measure the score of samples with its interval, and combine it with its anchors.

    ``scans`` are the real scans that the samples are compared with, and ``anchors`` the result of
    ``measure_anchors`` for the same score. Samples that are identical to a held-out scan are left
    out, except for scores of copies. Raises InputError if too few samples remain, or if the score
    needs scans and there are none.
    """
    return Measurement(
        name=metric.name,
        unit=metric.unit,
        better=metric.better,
        score=score_of(metric, _unlike_held_out(metric, samples, scans), scans, seed=seed),
        real=anchors.real,
        nonsense=anchors.nonsense,
    )


def score_of(metric: Metric, samples: Observations, scans: RealScans, *, seed: int = 0) -> Score:
    """Return the score of samples with its bootstrap interval over the different samples.

    Identical samples count once in ``n``, and are drawn together. The reference is not resampled.

    Raises
    ------
    InputError
        If the score needs scans and there are none.
    """
    reference = scans.reference(metric)
    groups = [np.array(group) for group in groups_of(samples)]
    statistic, all_of_it = metric.prepare(samples, reference), np.arange(len(reference))
    return bootstrap(
        len(groups),
        lambda index: statistic(np.concatenate([groups[one] for one in index]), all_of_it),
        seed=seed,
        is_centered=metric.falls_with_n,
    )


def _unlike_held_out(metric: Metric, samples: Observations, scans: RealScans) -> Observations:
    """Return the samples that are no held-out scan: such a sample is as real as it can be.

    Copies are judged by all samples.
    """
    if metric.against is Against.TRAINING:
        return samples
    new = without(samples, scans.held_out)
    if len(new) < min(len(samples), metric.min_volumes):
        raise InputError(
            "needs samples that are not held-out scans",
            seen=f"{len(samples) - len(new)} of {len(samples)} are identical to one",
        )
    return new


def real_score(metric: Metric, scans: RealScans, *, n: int, seed: int = 0) -> Score:
    """Return the score that real scans get in place of ``n`` samples.

    For a score against held-out scans this is the null: n scans and as many others as the reference
    has are drawn without replacement from all real scans. Value and interval are the mean and the
    95 % range of 1000 draws. For a score against training scans or nothing, it is the score of the
    held-out scans.

    If there are not enough scans, fewer than ``n`` are used. The returned score has their number.
    """
    if metric.against is not Against.HELD_OUT:
        return score_of(metric, scans.in_place_of_samples(metric), scans, seed=seed)
    n_reference = len(scans.reference(metric))
    return null_score(metric, scans.pool(metric), n=n, n_reference=n_reference, seed=seed)


def null_score(
    metric: Metric, pool: Observations, *, n: int, n_reference: int, seed: int = 0
) -> Score:
    """Return the score between two disjoint random parts of a pool of scans.

    The parts have ``n`` and ``n_reference`` scans, or fewer if the pool is too small. Value and
    interval are the mean and the 95 % range of 1000 draws. Raises InputError if the pool has fewer
    than two scans.
    """
    if len(pool) < 2:
        raise InputError(
            "comparing real scans with real scans needs two or more", seen=f"there is {len(pool)}"
        )
    n = min(n, len(pool) // 2)
    n_reference = min(n_reference, len(pool) - n)
    statistic, rng = metric.prepare(pool, pool), np.random.default_rng(seed)

    @cache  # a small pool has few different parts, and each is drawn many times
    def between(part: tuple[int, ...], other: tuple[int, ...]) -> float:
        return statistic(np.array(part), np.array(other))

    draws = []
    for _ in range(N_NULL_DRAWS):
        order = rng.permutation(len(pool))
        parts = (order[:n], order[n : n + n_reference])
        draws.append(between(*(tuple(sorted(part.tolist())) for part in parts)))
    low, high = np.percentile(draws, INTERVAL)
    return score_within(float(np.mean(draws)), low=float(low), high=float(high), n=n)
