"""Recognize slices that were not measured: a conversion filled them or repeated its neighbors.

A measured slice has noise, so it has more than one value and equals no other slice.
"""

import numpy as np
from numpy.typing import NDArray

from ldm.errors import ScanError

N_SHOWN = 5  # slices that an error lists
REMEDY = "convert the scan again, or leave it out"


def require_measured_slices(array: NDArray[np.float32], place: object) -> None:
    """Raise ScanError, which names ``place``, if slices of a scan were filled or repeated.

    ``array`` has the shape (x, y, z) in RAS+. Slices of a single value are allowed at both ends,
    where a change of the grid may leave some.
    """
    is_flat = array.max(axis=(0, 1)) == array.min(axis=(0, 1))
    measured = np.flatnonzero(~is_flat)
    if measured.size == 0:
        return  # ``require_hu`` says that the scan is empty
    low, high = int(measured[0]), int(measured[-1]) + 1
    filled = low + np.flatnonzero(is_flat[low:high])
    if filled.size:
        raise ScanError(
            "a slice between two others has more than one value",
            seen=f"{place} has {_shown(filled, array.shape[2])} without",
            remedy=REMEDY,
        )
    repeated = np.array(
        [z for z in range(low + 1, high) if np.array_equal(array[..., z], array[..., z - 1])]
    )
    if repeated.size:
        raise ScanError(
            "no slice of a scan equals the next one",
            seen=f"{place} repeats {_shown(repeated, array.shape[2])}",
            remedy=REMEDY,
        )


def _shown(slices: NDArray[np.int_], n_slices: int) -> str:
    """Return how many slices of how many these are, and which: "2 of 64 slices (z = 5, 6)"."""
    listed = ", ".join(map(str, slices[:N_SHOWN])) + (", ..." if slices.size > N_SHOWN else "")
    return f"{slices.size} of {n_slices} slices (z = {listed}, from 0 at the feet)"
