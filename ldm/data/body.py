"""The patient in a scan, without table and air."""

import numpy as np
from scipy import ndimage

from ldm.data.volume import BoolArray, FloatArray

BODY_THRESHOLD_HU = -300.0


def body_mask(hu: FloatArray) -> BoolArray:
    """The largest connected component above -300 HU, with holes filled slice by slice.

    Lungs and bowel gas count as body; an image of air alone gives an empty mask.
    """
    labels, n = ndimage.label(hu > BODY_THRESHOLD_HU)
    if n == 0:
        return np.zeros(hu.shape, bool)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    filled = [ndimage.binary_fill_holes(largest[:, :, k]) for k in range(hu.shape[2])]
    mask: BoolArray = np.stack(filled, axis=2)
    return mask
