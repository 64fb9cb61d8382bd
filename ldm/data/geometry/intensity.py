"""The one HU window: [-1000, 1000] HU <-> [0, 1]. Nothing else in the program rescales HU."""

import numpy as np
from numpy.typing import NDArray

WINDOW_HU = (-1000.0, 1000.0)
AIR_HU = WINDOW_HU[0]


def to_unit(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """HU to [0, 1]; what lies outside the window goes to its edge."""
    low, high = WINDOW_HU
    unit: NDArray[np.float32] = ((hu.clip(low, high) - low) / (high - low)).astype(np.float32)
    return unit


def to_hu(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of ``to_unit`` inside the window; values outside [0, 1] go to its edge."""
    low, high = WINDOW_HU
    hu: NDArray[np.float32] = (unit.clip(0, 1) * (high - low) + low).astype(np.float32)
    return hu
