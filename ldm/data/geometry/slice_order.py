"""Recognize a scan whose slices are out of order, for example in the order of file names.

Programs that stack slices by name put 10 before 2. Others append all even slices to all odd ones.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ldm.data.geometry.intensity import WINDOW_HU
from ldm.errors import ScanError

MIN_SLICES = 8
SIDE = 32  # pixels of the thumbnail of a slice, about
N_BESIDE = 2  # slices on both sides that may look alike
# How much farther a slice may be from the slices beside it than from one elsewhere.
# ``benchmarks/slice_order.py`` measures how far sound scans and scans out of order are from it.
MOST = 1.5
MIN_DIFFERENCE_HU = 10.0  # between thumbnails; below it lies noise
N_MISPLACED = 2  # one slice alone may have an artifact


def require_ordered_slices(array: NDArray[np.float32], place: object) -> None:
    """Raise ScanError, which names ``place``, if slices of a scan are out of order.

    A slice is misplaced if a slice that lies elsewhere resembles it much more than the slices
    beside it do. Slices of a single value do not count. ``array`` has the shape (x, y, z).
    """
    measured = np.flatnonzero(array.max(axis=(0, 1)) > array.min(axis=(0, 1)))
    if measured.size < MIN_SLICES:
        return
    found = measured[misplacement(array[..., measured]) > MOST]
    if found.size >= N_MISPLACED:
        raise ScanError(
            "slices must be in order",
            seen=f"{found.size} of {measured.size} slices of {place} resemble a slice elsewhere "
            f"more than the slices beside them, the first at z = {found[0]}",
            remedy="convert the scan again from its DICOM files, or leave it out",
        )


def misplacement(array: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return for each slice its distance to the nearer neighbor over that to slices elsewhere.

    ``array`` has the shape (x, y, z), with 8 slices or more. Slices that hardly differ from a
    neighbor have 0.
    """
    thumbnails = _thumbnails(array)
    apart = cdist(thumbnails, thumbnails) / np.sqrt(thumbnails.shape[1])
    n = len(apart)
    beside = np.pad(np.diag(apart, 1), 1, constant_values=np.inf)
    nearer = np.minimum(beside[:-1], beside[1:])
    index = np.arange(n)
    is_elsewhere = np.abs(index[:, None] - index) > N_BESIDE
    elsewhere = np.where(is_elsewhere, apart, np.inf).min(axis=1)
    ratio = nearer / np.maximum(elsewhere, 1e-6)
    return np.where(nearer > MIN_DIFFERENCE_HU, ratio, 0.0)


def _thumbnails(array: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the slices, averaged over squares of pixels, shape (z, pixels)."""
    x, y, z = array.shape
    by_x, by_y = max(1, x // SIDE), max(1, y // SIDE)
    whole = array[: x // by_x * by_x, : y // by_y * by_y].clip(*WINDOW_HU)
    blocks = whole.reshape(x // by_x, by_x, y // by_y, by_y, z)
    means: NDArray[np.float64] = blocks.mean(axis=(1, 3), dtype=np.float64).reshape(-1, z).T
    return means
