"""Find the peaks of fat, soft tissue or air in a histogram of HU.

In sound scans, fat has a narrow peak near -100 HU and soft tissue one between 0 and 150 HU. With
much noise they become one wide peak, which says little.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

RANGE_HU, BIN_HU, SMOOTHING_HU = (-600.0, 700.0), 5.0, 15.0
LEAST_VALUES = 10_000  # the histogram of fewer has peaks by chance
# A peak stands out from the values beside it by this part of the highest one, and is this narrow at
# half of its height.
LEAST_PROMINENCE, MOST_WIDTH_HU = 0.2, 130.0


def narrow_peaks(values: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the HU of the narrow peaks of values between -600 and 700 HU, from low to high.

    There are none if fewer than 10,000 values are in that range.
    """
    edges = np.arange(RANGE_HU[0], RANGE_HU[1] + BIN_HU, BIN_HU)
    counts = np.histogram(values, edges)[0].astype(np.float64)
    heights = gaussian_filter1d(counts, SMOOTHING_HU / BIN_HU, mode="constant")
    if counts.sum() < LEAST_VALUES:
        return ()
    found, _ = find_peaks(
        heights,
        prominence=LEAST_PROMINENCE * heights.max(),
        width=(None, MOST_WIDTH_HU / BIN_HU),
        rel_height=0.5,
    )
    return tuple((edges[found] + BIN_HU / 2).tolist())
