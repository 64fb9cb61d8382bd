"""Whether generated scans can be segmented: agreement of two TotalSegmentator models."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from evaluation.score import Score, mean_score
from ldm.data.volume import BoolArray, LabelArray, Volume

PANCREAS = 7  # totalsegmentator.map_to_binary.class_map["total"]
Segmenter: TypeAlias = Callable[[Volume], LabelArray]
Region: TypeAlias = tuple[slice, slice, slice]


def dice(first: BoolArray, second: BoolArray) -> float:
    """2 |A and B| / (|A| + |B|); 0 where either is empty: an absent organ is never agreement."""
    if not first.any() or not second.any():
        return 0.0
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def pancreas_agreement(
    volume: Volume, region: Region, *, fine: Segmenter, coarse: Segmenter
) -> float:
    """Dice of the pancreas between two models of different resolution, inside ``region``."""
    first, second = (segment(volume)[region] == PANCREAS for segment in (fine, coarse))
    return dice(first, second)


def totalsegmentator_dice(agreements: Sequence[float], *, seed: int = 0) -> Score:
    """The objective ``totalsegmentator_dice`` (higher is better): mean over volumes.

    It says "can be segmented", not "is right": its ceiling is the same score on real scans.
    """
    return mean_score(np.asarray(agreements, np.float64), seed=seed)
