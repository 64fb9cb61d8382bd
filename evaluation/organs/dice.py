"""The overlap of two masks."""

from ldm.data.geometry.volume import BoolArray


def dice(first: BoolArray, second: BoolArray) -> float:
    """2 |A and B| / (|A| + |B|); 0 where either is empty: an absent organ is never agreement."""
    if not first.any() or not second.any():
        return 0.0
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))
