"""The HU window: scale [-1000, 1000] HU to [0, 1] and back.

Nothing else in the program rescales HU.
"""

import numpy as np
from numpy.typing import NDArray

WINDOW_HU = (-1000.0, 1000.0)
AIR_HU = WINDOW_HU[0]


def to_unit(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale HU to [0, 1]. Values outside the window become 0 or 1."""
    low, high = WINDOW_HU
    unit: NDArray[np.float32] = ((hu.clip(low, high) - low) / (high - low)).astype(np.float32)
    return unit


def to_hu(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale [0, 1] back to HU. Values outside this range become the ends of the window."""
    low, high = WINDOW_HU
    hu: NDArray[np.float32] = (unit.clip(0, 1) * (high - low) + low).astype(np.float32)
    return hu
