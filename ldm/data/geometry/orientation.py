"""Turn the axes of a scan to RAS+, whatever its file's orientation."""

from typing import Any, TypeVar

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

Array = TypeVar("Array", bound=NDArray[Any])


def to_ras(array: Array, affine: NDArray[np.float64]) -> tuple[Array, NDArray[np.float64]]:
    """Reorder and flip the axes of an array so that they are RAS+, and adjust its affine.

    The affine maps voxel indices to mm in RAS, before and after. The returned array is a view of
    the same memory. Raises nibabel's OrientationError if an axis of the array has no direction in
    the affine.
    """
    turn = io_orientation(affine)
    turned: Array = apply_orientation(array, turn)
    return turned, affine @ inv_ornt_aff(turn, array.shape)
