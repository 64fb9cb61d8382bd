"""Measure how the values of a scan are distributed, for ``ldm.data.geometry.hounsfield``."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.hu_peaks import narrow_peaks

MAX_VOXELS = 2_000_000  # of a larger scan, a regular subset of voxels is looked at
AIR_AT_MOST_HU = -900.0  # also the darkest lung
PADDING_AT_MOST_HU = -800.0  # air or lung: a value that many voxels share may be that of padding
GAS_HU = -300.0
FAT_HU = (-200.0, -30.0)
TISSUE_HU = (-150.0, 150.0)  # fat and soft tissue
DENSE_HU = 800.0  # only dense bone, metal and pure contrast agent are above
LEAST_VOXELS_AT_ONE_VALUE = 30  # of fewer voxels, a share says nothing
SHARPNESS, SHARPNESS_AT_HIGH_END, BESIDE_HU = (
    25.0,
    5.0,
    20.0,
)  # a peak is so many times as high as the values beside it
END_HU = 30.0  # how far above its lowest values a scan with noise may be cut


@dataclass(frozen=True, slots=True, kw_only=True)
class HuShares:
    """How the values of a scan are distributed. Shares are fractions of all voxels.

    Attributes
    ----------
    low, high
        The smallest and the largest value.
    inner_low, inner_high
        The range of the values above air, without 0.1 % at each end.
    dense, tissue, fat
        The shares above ``DENSE_HU``, in ``TISSUE_HU`` and in ``FAT_HU``.
    higher, lower
        The shares in the 450 HU above and below ``TISSUE_HU``.
    gas, gas_low, gas_spread
        The share below -300 HU, the value that 1 % of these voxels are below, and the range of the
        middle half of them. Voxels of the smallest value, which may be padding, are left out.
    border_air
        The share of gas at the border in the plane (x, y), without the smallest value.
    bottom, border_at_bottom, center_at_bottom
        The value that 0.1 % of the voxels are below, and the shares of the voxels at the border and
        in the center that are at most 30 HU above it.
    peaks_hu
        The narrow peaks of fat, soft tissue or air, from low to high.
    at_high, at_low, at_one
        The shares of voxels that have exactly the largest value, the smallest one, and the most
        common value above ``PADDING_AT_MOST_HU``. 0 if the values beside it are about as common.
    one
        That most common value.
    """

    low: float
    high: float
    inner_low: float
    inner_high: float
    dense: float
    tissue: float
    fat: float
    higher: float
    lower: float
    gas: float
    gas_low: float
    gas_spread: float
    border_air: float
    bottom: float
    border_at_bottom: float
    center_at_bottom: float
    peaks_hu: tuple[float, ...]
    at_high: float
    at_low: float
    at_one: float
    one: float


def hu_shares(array: NDArray[np.float32]) -> HuShares:
    """Measure how the values of a scan are distributed.

    ``array`` has shape (x, y, z) and only finite values.
    """
    step = max(1, int(np.ceil((array.size / MAX_VOXELS) ** (1 / 3))))
    looked_at = array[::step, ::step, ::step]
    values = np.sort(looked_at, axis=None)
    inner = values[np.searchsorted(values, AIR_AT_MOST_HU, "right") :]
    low, high = float(array.min()), float(array.max())
    gas = values[np.searchsorted(values, low, "right") : np.searchsorted(values, GAS_HU, "right")]
    gas_low, gas_first, gas_third = (
        np.quantile(gas, [0.01, 0.25, 0.75]).tolist() if gas.size else [low] * 3
    )
    border, center = _border_and_center(looked_at)
    border_above = border[border > low]
    bottom = float(np.quantile(values, 0.001))
    one = _most_common(values[np.searchsorted(values, PADDING_AT_MOST_HU, "right") :])
    inner_low, inner_high = np.quantile(inner if inner.size else values, [0.001, 0.999]).tolist()
    return HuShares(
        low=low,
        high=high,
        inner_low=inner_low,
        inner_high=inner_high,
        dense=_share(values, DENSE_HU, np.inf),
        tissue=_share(values, *TISSUE_HU),
        fat=_share(values, *FAT_HU),
        higher=_share(values, TISSUE_HU[1], TISSUE_HU[1] + 450),
        lower=_share(values, TISSUE_HU[0] - 450, TISSUE_HU[0]),
        gas=gas.size / values.size,
        gas_low=gas_low,
        gas_spread=gas_third - gas_first,
        border_air=float(np.mean(border_above <= GAS_HU)) if border_above.size else 0.0,
        bottom=bottom,
        border_at_bottom=float(np.mean(border <= bottom + END_HU)),
        center_at_bottom=float(np.mean(center <= bottom + END_HU)),
        peaks_hu=narrow_peaks(values),
        at_high=_share_at(values, high, SHARPNESS_AT_HIGH_END),
        at_low=_share_at(values, low),
        at_one=_share_at(values, one),
        one=one,
    )


def _border_and_center(
    array: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the outer tenth of a scan on each side in the plane (x, y), and its middle third."""
    margins = [max(1, n // 10) for n in array.shape[:2]]
    is_border = np.ones(array.shape[:2], bool)
    is_border[tuple(slice(margin, -margin) for margin in margins)] = False
    thirds = tuple(slice(n // 3, n - n // 3) for n in array.shape[:2])
    return array[is_border].ravel(), array[thirds].ravel()


def _share(values: NDArray[np.float32], low: float, high: float) -> float:
    """Return the share of sorted values above ``low`` and up to ``high``."""
    first, last = np.searchsorted(values, [low, high], "right")
    return float(last - first) / values.size


def _share_at(values: NDArray[np.float32], value: float, sharpness: float = SHARPNESS) -> float:
    """Return the share of sorted values within 0.5 of ``value``, or 0 if that is no sharp peak.

    A peak is sharp if it is ``sharpness`` times as high as the mean of the 20 HU on each side. With
    ``SHARPNESS``, scans that were stored in steps of up to 8 HU have none.
    """
    at = _share(values, value - 0.5, value + 0.5)
    beside = _share(values, value - BESIDE_HU, value + BESIDE_HU) - at
    is_sharp = at > sharpness * beside / (2 * BESIDE_HU)
    return at if is_sharp and at * values.size >= LEAST_VOXELS_AT_ONE_VALUE else 0.0


def _most_common(values: NDArray[np.float32]) -> float:
    """Return the most common of sorted values, rounded. NaN if there are none."""
    if not values.size:
        return float("nan")
    rounded, counts = np.unique(np.rint(values), return_counts=True)
    return float(rounded[counts.argmax()])
