"""TotalSegmentator's trunk for the semi-body crop, loaded once a process."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from evaluation.segmenter_weights import BODY_6MM, BODY_TRUNC
from ldm.config import Crop
from ldm.data.volume import BoolArray, Volume


def trunk_finder(crop: Crop, weights: Path) -> Callable[[Volume], BoolArray]:
    """Finds the trunk in a scan; TotalSegmentator is loaded for the semi-body crop only."""
    if crop is Crop.SEMI_BODY:
        return _segmenting_finder(weights)

    def not_needed(_: Volume) -> BoolArray:
        raise AssertionError(f"crop {crop} does not look for the trunk")

    return not_needed


@cache
def _segmenting_finder(weights: Path) -> Callable[[Volume], BoolArray]:
    from evaluation.segmentation import WarmSegmenter

    segmenter = WarmSegmenter(BODY_6MM, weights=weights, device="cpu")
    return lambda volume: segmenter(volume) == BODY_TRUNC
