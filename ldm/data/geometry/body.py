"""Find the patient in a scan, without table and air."""

import cc3d
import fill_voids
import numpy as np

from ldm.data.geometry.volume import BoolArray, FloatArray

BODY_THRESHOLD_HU = -300.0


def body_mask(hu: FloatArray) -> BoolArray:
    """Return the mask of the body: the largest connected component above -300 HU.

    Its holes are filled slice by slice, so lungs and bowel gas count as body. An image of air gives
    an empty mask.
    """
    above = hu > BODY_THRESHOLD_HU
    if not above.any():
        return above
    return _filled(_largest(above))


def _largest(above: BoolArray) -> BoolArray:
    """Return the largest connected component of a mask.

    cc3d is fast only if the first axis is contiguous in memory, so the mask is transposed if
    necessary.
    """
    turned = above.T if above.flags.c_contiguous else above
    largest: BoolArray = cc3d.largest_k(turned, k=1, connectivity=6, binary_image=True).astype(bool)
    return largest.T if above.flags.c_contiguous else largest


def _filled(mask: BoolArray) -> BoolArray:
    """Fill the holes of all axial slices in one call.

    The slices are put side by side into one image, each with a rim of background, so that
    everything outside the body is connected.
    """
    n_x, n_y, n_z = mask.shape
    framed = np.zeros((n_x + 2, n_y + 2, n_z), bool, order="F")
    framed[1:-1, 1:-1] = mask
    side_by_side = framed.reshape(n_x + 2, -1, order="F")  # a view
    fill_voids.fill(side_by_side, in_place=True)
    return framed[1:-1, 1:-1]
