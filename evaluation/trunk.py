"""Find the trunk with TotalSegmentator, for the semi-body crop."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from evaluation.organs.weights import BODY_6MM, BODY_TRUNC
from ldm.config import Crop
from ldm.data.geometry.volume import BoolArray, Volume
from ldm.errors import InputError


def trunk_finder(crop: Crop, weights: Path | None) -> Callable[[Volume], BoolArray]:
    """Return a function that computes the mask of the trunk in a scan.

    Only the semi-body crop needs the trunk. For this crop TotalSegmentator is loaded, once per
    process. For other crops the returned function must not be called.

    Parameters
    ----------
    crop
        The crop that is cut.
    weights
        TotalSegmentator's weights folder.

    Raises
    ------
    InputError
        If the semi-body crop is asked for without weights.
    """
    if crop is Crop.SEMI_BODY:
        if weights is None:
            raise InputError(
                "the semi-body crop needs TotalSegmentator to find the trunk",
                seen="no weights were given",
                remedy="pass --totalsegmentator-weights DIR",
            )
        return _segmenting_finder(weights)

    def not_needed(_: Volume) -> BoolArray:
        raise AssertionError(f"the crop {crop} does not need the trunk")

    return not_needed


@cache
def _segmenting_finder(weights: Path) -> Callable[[Volume], BoolArray]:
    from evaluation.organs.segmentation import WarmSegmenter

    segmenter = WarmSegmenter(BODY_6MM, weights=weights, device="cpu")
    return lambda volume: segmenter(volume) == BODY_TRUNC
