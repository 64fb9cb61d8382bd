"""Refuse padding that has the values of tissue.

PixelPaddingValue names the value of pixels outside of the image. No pixel of the image itself may
have it (DICOM PS3.3, C.7.5.1.1.2). Some programs write 0 without regard to the pixels, and in
slices that store HU, 0 is water: all of it would become air. Such a file contradicts itself, and
nothing in it says which of its pixels were filled. So the series is refused instead of guessing.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldm.data.dicom.slice_file import StoredPixels
from ldm.errors import ScanError

FILL_HU = -800.0  # padding below is air or lung, which becomes air without harm
TISSUE_HU = -200.0
N_FILL_VALUES = 8  # filled pixels have one value, or a few; tissue has many
MIN_NEIGHBORS = 3  # of 4: at the edge of a filled region, pixels have at most two in the image
MOST_IN_TISSUE = 2e-4  # of the pixels of tissue


def count_in_tissue(pixels: StoredPixels, hu: NDArray[np.floating]) -> tuple[int, int]:
    """Return how many pixels of tissue a slice names as padding, and how many pixels of it it has.

    ``hu`` has the values of the pixels in HU, padding included. Padding counts as tissue if tissue
    lies around it, or if it has many values.
    """
    is_filled = pixels.is_padding & (hu > FILL_HU)
    if not is_filled.any():
        return 0, 0
    is_tissue = ~pixels.is_padding & (hu > TISSUE_HU)
    padded = np.pad(is_tissue.astype(np.int8), 1)
    n_neighbors = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]
    has_many_values = np.unique(pixels.values[is_filled]).size > N_FILL_VALUES
    is_inside = is_filled if has_many_values else is_filled & (n_neighbors >= MIN_NEIGHBORS)
    n_inside = int(is_inside.sum())
    return n_inside, n_inside + int(is_tissue.sum())


def check_padding(folder: Path, padding: tuple[int, int], n_inside: int, n_tissue: int) -> None:
    """Raise ScanError if too much of the tissue of a series is named as padding.

    ``padding`` are the lowest and the highest stored value of padding. The numbers are those of
    ``count_in_tissue``, over all slices.
    """
    if n_inside <= MOST_IN_TISSUE * n_tissue:
        return
    low, high = padding
    values = f"{low}" if low == high else f"{low} to {high}"
    raise ScanError(
        "no pixel of the image has the value of padding",
        seen=f"PixelPaddingValue in {folder} is {values}, which {n_inside / n_tissue:.2%} of the"
        " tissue has",
        remedy="export the series again with the right value, or delete the tag PixelPaddingValue"
        " if no pixels were filled",
    )
