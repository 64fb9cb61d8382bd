"""Scores of memorization. ``evaluation.memorization.copies`` says which copies they can find."""

import numpy as np

from evaluation.damage.kinds import Damage
from evaluation.measurement import Better
from evaluation.memorization.copies import (
    Distances,
    copy_threshold_hu,
    distances_between_training_hu,
    distances_hu,
)
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from ldm.errors import InputError


def _prepare(samples: Observations, reference: Observations) -> tuple[Distances, Distances]:
    return distances_hu(samples, reference), distances_between_training_hu(reference)


def _prepare_share(samples: Observations, reference: Observations) -> Statistic:
    to_training, among = _prepare(samples, reference)

    def statistic(chosen: Indices, others: Indices) -> float:
        nearest = to_training[np.ix_(chosen, others)].min(axis=1)
        threshold = copy_threshold_hu(among[np.ix_(others, others)].min(axis=1))
        return float((nearest <= threshold).mean())

    return statistic


def _prepare_ratio(samples: Observations, reference: Observations) -> Statistic:
    to_training, among = _prepare(samples, reference)
    if not np.median(among.min(axis=1)):
        raise InputError(
            "training scans must differ from each other",
            seen=f"half or more of the {len(reference)} have an identical duplicate",
            remedy="remove the duplicates",
        )

    def statistic(chosen: Indices, others: Indices) -> float:
        nearest = to_training[np.ix_(chosen, others)].min(axis=1)
        typical = np.median(among[np.ix_(others, others)].min(axis=1))
        return float(nearest.mean() / typical)

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
    blind_to=frozenset({Damage.BLUR, Damage.NOISE, Damage.ORGAN_REMOVED}),
)
MEMORIZATION_METRICS = (COPIED_SHARE, NEAREST_TRAINING_RATIO)
