"""Scores of memorization. ``evaluation.memorization.copies`` says which copies they can find.

The training scans are never resampled, so both statistics ignore the indices of the reference.
"""

import numpy as np

from evaluation.damage.kinds import Damage
from evaluation.measurement import Better
from evaluation.memorization.copies import copy_threshold_hu
from evaluation.memorization.search import Distances, distances_of, nearest_other, nearest_training
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from ldm.errors import InputError


def _prepare(samples: Observations, reference: Observations) -> tuple[Distances, Distances]:
    """Return the distances of samples to training scans, and of these to each other, in HU."""
    among = distances_of(nearest_other(reference))
    return distances_of(nearest_training(samples, reference)), among


def _prepare_share(samples: Observations, reference: Observations) -> Statistic:
    nearest, among = _prepare(samples, reference)
    is_copy = nearest <= copy_threshold_hu(among)

    def statistic(chosen: Indices, _: Indices) -> float:
        return float(is_copy[chosen].mean())

    return statistic


def _prepare_ratio(samples: Observations, reference: Observations) -> Statistic:
    nearest, among = _prepare(samples, reference)
    typical = np.median(among)
    if not typical:
        raise InputError(
            "training scans must differ from each other",
            seen=f"half or more of the {len(reference)} have an identical duplicate",
            remedy="remove the duplicates",
        )

    def statistic(chosen: Indices, _: Indices) -> float:
        return float(nearest[chosen].mean() / typical)

    return statistic


COPIED_SHARE = Metric(
    name="copied_share",
    unit="share",
    better=Better.LOWER,
    against=Against.TRAINING,
    empty="a volume of air is far from every scan and no copy, unless a training scan is air too",
    prepare=_prepare_share,
    has_floor=False,
    blind_to=frozenset(Damage) - {Damage.COPIES},
)
NEAREST_TRAINING_RATIO = Metric(
    name="nearest_training_ratio",
    unit="real distances",
    better=Better.NEARER,
    against=Against.TRAINING,
    empty="a volume of air is far from every scan; identical training scans are refused",
    prepare=_prepare_ratio,
    blind_to=frozenset(Damage) - {Damage.ZOOM, Damage.COPIES},
)
MEMORIZATION_METRICS = (COPIED_SHARE, NEAREST_TRAINING_RATIO)
