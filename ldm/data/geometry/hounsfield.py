"""Recognize values that are not HU, by how they are distributed.

Physics fixes where matter lies on the Hounsfield scale: air at -1000 HU, fat near -100 HU, soft
tissue between 0 and 150 HU (more with contrast), and hardly anything in a body above 800 HU. A scan
whose values are distributed otherwise was exported without its rescale intercept, cut to a display
window, or scaled for display.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ldm.errors import ScanError

MAX_VOXELS = 2_000_000  # of a larger scan, a regular subset of voxels is looked at
AIR_AT_MOST_HU = -900.0  # also the darkest lung
PADDING_AT_MOST_HU = -800.0  # air or lung: a value that many voxels share may be that of padding
FAT_HU = (-200.0, -30.0)
TISSUE_HU = (-150.0, 150.0)  # fat and soft tissue
DENSE_HU = 800.0  # only dense bone, metal and pure contrast agent are above
WINDOW_TOP_HU = 950.0  # values that are cut above this lose nothing that the program shows
# Limits of shares, and by how much sound scans keep away from them: ``benchmarks/hu_check.py``.
MOST_DENSE, LEAST_TISSUE, LEAST_FAT = 0.05, 0.02, 0.005
MOST_AT_ONE_VALUE, MOST_AT_LOW_END, MOST_AT_HIGH_END = 0.03, 0.005, 0.001
MOST_AT_ONE_TISSUE_VALUE = 0.1  # a large organ with little noise has some of one value
LEAST_VOXELS_AT_ONE_VALUE = 30  # of fewer voxels, a share says nothing
SHARPNESS, BESIDE_HU = 25.0, 20.0  # a peak is so many times as high as the values beside it
LEAST_GAS, LEAST_TISSUE_TO_LOWER = 0.02, 0.5
UNIT_SPAN, PICTURE_SPAN = 10.0, 256.0


class HuFaultKind(StrEnum):
    """What probably happened to values that are not HU."""

    EMPTY = "a volume without content"
    SCALED = "values that were scaled to a small range"
    PICTURE = "values that were converted to a picture of 256 gray values"
    WITHOUT_INTERCEPT = "stored values without the rescale intercept (often -1024)"
    INTERCEPT_TWICE = "values that were rescaled twice"
    WINDOW = "values that were cut to a display window"
    PADDING = "values that were padded with a value that is not air"
    SLOPE = "values that were rescaled with a wrong slope"
    SHIFTED = "values that were rescaled with a wrong intercept"
    NO_FAT = "values of no CT, or stored values without the rescale intercept"


@dataclass(frozen=True, slots=True, kw_only=True)
class HuFault:
    """What probably happened to values that are not HU, and the numbers that show it."""

    kind: HuFaultKind
    seen: str


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
    gas, gas_low
        The share below -300 HU, and the value that 1 % of these voxels are below.
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
    at_high: float
    at_low: float
    at_one: float
    one: float


def require_hu(array: NDArray[np.float32], place: object) -> None:
    """Raise ScanError, which names ``place``, if the values of a scan are not HU.

    ``array`` has shape (x, y, z) and only finite values.
    """
    fault = hu_fault(hu_shares(array))
    if fault is not None:
        raise ScanError(
            "voxels must be HU",
            seen=f"{place} has {fault.seen}, like {fault.kind}",
            remedy="convert it from its DICOM files with their rescale slope and intercept, and"
            " without a window",
        )


def require_finite(array: NDArray[np.float32], place: object) -> None:
    """Raise ScanError, which names ``place``, if a voxel of a scan is NaN or infinite."""
    if not np.isfinite([array.min(), array.max()]).all():
        n_voxels = int(np.count_nonzero(~np.isfinite(array)))
        raise ScanError(
            "every voxel must be finite",
            seen=f"{place} has {n_voxels} that are NaN or infinite",
            remedy="write air (-1000 HU) there or convert the scan again",
        )


def hu_shares(array: NDArray[np.float32]) -> HuShares:
    """Measure how the values of a scan are distributed.

    ``array`` has shape (x, y, z) and only finite values.
    """
    step = max(1, int(np.ceil((array.size / MAX_VOXELS) ** (1 / 3))))
    values = np.sort(array[::step, ::step, ::step], axis=None)
    inner = values[np.searchsorted(values, AIR_AT_MOST_HU, "right") :]
    gas = values[: np.searchsorted(values, -300.0, "right")]
    low, high = float(array.min()), float(array.max())
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
        gas_low=float(np.quantile(gas, 0.01)) if gas.size else low,
        at_high=_share_at(values, high),
        at_low=_share_at(values, low),
        at_one=_share_at(values, one),
        one=one,
    )


def most_at(value: float) -> float:
    """Return the largest share of voxels that a sound scan may have at exactly this value."""
    is_tissue = TISSUE_HU[0] < value <= TISSUE_HU[1]
    return MOST_AT_ONE_TISSUE_VALUE if is_tissue else MOST_AT_ONE_VALUE


def hu_fault(shares: HuShares) -> HuFault | None:
    """Return what probably happened to values that are not HU, or None if they are HU."""
    span = shares.inner_high - shares.inner_low
    inner = f"values from {shares.inner_low:.4g} to {shares.inner_high:.4g}"
    has_fat = shares.fat >= LEAST_FAT
    for kind, is_so, seen in (
        (HuFaultKind.EMPTY, shares.low == shares.high, f"{shares.low:g} in every voxel"),
        (HuFaultKind.SCALED, span <= UNIT_SPAN, inner),
        (HuFaultKind.PICTURE, span <= PICTURE_SPAN and not has_fat, inner),
        (
            HuFaultKind.PADDING,
            shares.at_one > most_at(shares.one) and shares.low < shares.one,
            f"{shares.at_one:.1%} of its voxels at exactly {shares.one:g}",
        ),
        (
            HuFaultKind.WITHOUT_INTERCEPT,
            shares.dense > MOST_DENSE,
            f"{shares.dense:.1%} of its voxels above {DENSE_HU:g}, where only dense bone and metal"
            " are",
        ),
        (
            HuFaultKind.WINDOW,
            shares.low > PADDING_AT_MOST_HU and shares.at_low > MOST_AT_LOW_END,
            f"{shares.at_low:.1%} of its voxels at exactly its lowest value, {shares.low:g}",
        ),
        (
            HuFaultKind.WINDOW,
            shares.high < WINDOW_TOP_HU and shares.at_high > MOST_AT_HIGH_END,
            f"{shares.at_high:.1%} of its voxels at exactly its highest value, {shares.high:g}",
        ),
        (
            HuFaultKind.SLOPE,
            shares.gas > LEAST_GAS and shares.gas_low > PADDING_AT_MOST_HU,
            f"its darkest voxels near {shares.gas_low:.0f}, where air has -1000",
        ),
        (
            HuFaultKind.INTERCEPT_TWICE,
            shares.tissue < LEAST_TISSUE,
            f"{shares.tissue:.1%} of its voxels from {TISSUE_HU[0]:g} to {TISSUE_HU[1]:g}, where"
            " fat and soft tissue are",
        ),
        (
            HuFaultKind.SHIFTED,
            shares.tissue < max(shares.higher, LEAST_TISSUE_TO_LOWER * shares.lower),
            f"more voxels beside the range of fat and soft tissue ({TISSUE_HU[0]:g} to"
            f" {TISSUE_HU[1]:g}) than in it",
        ),
        (
            HuFaultKind.NO_FAT,
            not has_fat,
            f"{shares.fat:.1%} of its voxels from {FAT_HU[0]:g} to {FAT_HU[1]:g}, where fat and"
            " the edges of air are",
        ),
    ):
        if is_so:
            return HuFault(kind=kind, seen=seen)
    return None


def _share(values: NDArray[np.float32], low: float, high: float) -> float:
    """Return the share of sorted values above ``low`` and up to ``high``."""
    first, last = np.searchsorted(values, [low, high], "right")
    return float(last - first) / values.size


def _share_at(values: NDArray[np.float32], value: float) -> float:
    """Return the share of sorted values within 0.5 of ``value``, or 0 if that is no sharp peak.

    A peak is sharp if it is ``SHARPNESS`` times as high as the mean of the 20 HU on each side.
    Scans that were stored in steps of up to 8 HU have none.
    """
    at = _share(values, value - 0.5, value + 0.5)
    beside = _share(values, value - BESIDE_HU, value + BESIDE_HU) - at
    is_sharp = at > SHARPNESS * beside / (2 * BESIDE_HU)
    return at if is_sharp and at * values.size >= LEAST_VOXELS_AT_ONE_VALUE else 0.0


def _most_common(values: NDArray[np.float32]) -> float:
    """Return the most common of sorted values, rounded. NaN if there are none."""
    if not values.size:
        return float("nan")
    rounded, counts = np.unique(np.rint(values), return_counts=True)
    return float(rounded[counts.argmax()])
