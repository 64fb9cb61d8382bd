"""The patient in a scan, without table and air."""

import cc3d
import fill_voids
import numpy as np

from ldm.data.volume import BoolArray, FloatArray

BODY_THRESHOLD_HU = -300.0


def body_mask(hu: FloatArray) -> BoolArray:
    """The largest connected component above -300 HU, with holes filled slice by slice.

    Lungs and bowel gas count as body; an image of air alone gives an empty mask.
    """
    above = hu > BODY_THRESHOLD_HU
    if not above.any():
        return above
    largest = cc3d.largest_k(above, k=1, connectivity=6, binary_image=True)
    mask: BoolArray = np.asfortranarray(largest, dtype=bool)
    for k in range(mask.shape[2]):
        fill_voids.fill(mask[:, :, k], in_place=True)
    return mask
