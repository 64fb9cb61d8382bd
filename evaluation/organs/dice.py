"""The Dice overlap of two masks."""

from ldm.data.geometry.volume import BoolArray


def dice(first: BoolArray, second: BoolArray) -> float:
    """Return the Dice overlap 2 |A and B| / (|A| + |B|), between 0 and 1.

    The result is 0 if either mask is empty, even if both are: an organ that nobody found must not
    count as agreement.
    """
    if not first.any() or not second.any():
        return 0.0
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))
