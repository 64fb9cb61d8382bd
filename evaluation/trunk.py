"""TotalSegmentator's trunk for the semi-body crop, loaded once a process."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from evaluation.organs.weights import BODY_6MM, BODY_TRUNC
from ldm.config import Crop
from ldm.data.geometry.volume import BoolArray, Volume
from ldm.errors import InputError


def trunk_finder(crop: Crop, weights: Path | None) -> Callable[[Volume], BoolArray]:
    """Finds the trunk in a scan; TotalSegmentator is loaded for the semi-body crop only.

    That crop needs ``weights``: raises InputError without.
    """
    if crop is Crop.SEMI_BODY:
        if weights is None:
            raise InputError(
                "the semi-body crop looks for the trunk with TotalSegmentator, no weights were "
                "given: pass --totalsegmentator-weights DIR"
            )
        return _segmenting_finder(weights)

    def not_needed(_: Volume) -> BoolArray:
        raise AssertionError(f"crop {crop} does not look for the trunk")

    return not_needed


@cache
def _segmenting_finder(weights: Path) -> Callable[[Volume], BoolArray]:
    from evaluation.organs.segmentation import WarmSegmenter

    segmenter = WarmSegmenter(BODY_6MM, weights=weights, device="cpu")
    return lambda volume: segmenter(volume) == BODY_TRUNC
