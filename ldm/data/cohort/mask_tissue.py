"""Recognize a mask that does not lie on its pancreas, by the HU of the voxels in it.

The pancreas and its tumors are soft tissue with a little fat between the lobes. A mask of another
patient, or one that was mirrored or shifted, also lies on fat, air and bone.
``benchmarks/mask_tissue.py`` measures how much.
"""

import numpy as np
from numpy.typing import NDArray

from ldm.errors import ScanError

SOFT_TISSUE_HU = (-100.0, 250.0)
LEAST_SHARE, USUAL_SHARE = 0.5, 0.9  # less is refused; less is noted


def soft_tissue_share(values_hu: NDArray[np.float32]) -> float:
    """Return the share of values that are those of soft tissue, from 0 to 1. NaN without values."""
    low, high = SOFT_TISSUE_HU
    return float(np.mean((values_hu > low) & (values_hu < high))) if values_hu.size else np.nan


def require_soft_tissue(share: float, mask: object) -> None:
    """Raise ScanError, which names the mask, if most of its voxels are not soft tissue.

    ``share`` is that of ``soft_tissue_share``. NaN, of an empty mask, is accepted.
    """
    if share < LEAST_SHARE:
        raise ScanError(
            "a mask of the pancreas lies on soft tissue"
            f" ({SOFT_TISSUE_HU[0]:.0f} to {SOFT_TISSUE_HU[1]:.0f} HU)",
            seen=f"{mask} does so with {share:.0%} of its voxels",
            remedy="check that it belongs to this scan and is not mirrored or shifted",
        )


def note_on_tissue(share: float) -> tuple[str, ...]:
    """Return a note if fewer voxels than usual are soft tissue, otherwise nothing."""
    if not share < USUAL_SHARE:
        return ()
    return (
        f"{1 - share:.0%} of the voxels of the mask are not soft tissue, so it may be mirrored,"
        " shifted or of another scan",
    )
