"""Recognize values that are not HU, by how they are distributed.

Physics fixes where matter lies on the Hounsfield scale: air at -1000 HU, fat near -100 HU, soft
tissue between 0 and 150 HU (more with contrast), and hardly anything in a body above 800 HU. A scan
whose values are distributed otherwise was exported without its rescale intercept, cut to a display
window, or scaled for display.

Some faults look like sound scans, and a sound scan that is refused costs more than a fault that is
missed. Offsets of 50 HU, slopes from 0.8 to 1.5, and values that were cut at 400 HU and then
smoothed, resampled or given noise are often or always missed. ``benchmarks/results/hu_check.jsonl``
counts how many are recognized.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.hu_shares import (
    DENSE_HU,
    FAT_HU,
    PADDING_AT_MOST_HU,
    TISSUE_HU,
    HuShares,
    hu_shares,
)
from ldm.errors import ScanError

WINDOW_TOP_HU = 950.0  # values that are cut above this lose nothing that the program shows
# Limits of shares, and by how much sound scans keep away from them: ``benchmarks/hu_check.py``.
MOST_DENSE, LEAST_TISSUE, LEAST_FAT = 0.05, 0.02, 0.005
MOST_AT_ONE_VALUE, MOST_AT_LOW_END, MOST_AT_HIGH_END = 0.03, 0.005, 0.00005
MOST_AT_ONE_TISSUE_VALUE = 0.1  # a large organ with little noise has some of one value
LEAST_GAS, LEAST_TISSUE_TO_LOWER = 0.02, 0.5
DARKEST_GAS_AT_MOST_HU = -750.0  # of air or lung
MOST_GAS_SPREAD_HU = 80.0  # air is alike everywhere; gas in collapsed lung is not
LOWEST_PEAK_HU = -155.0  # fat has the lowest narrow peak of a sound scan
MOST_FAT_HU, FAT_TO_TISSUE_HU = -40.0, (100.0, 200.0)  # unless fluid has the lowest peak
LEAST_BORDER_AIR = 0.5
MOST_BORDER_AT_LOW_END, MOST_CENTER_AT_LOW_END = 0.6, 0.3
UNIT_SPAN, PICTURE_SPAN = 10.0, 256.0


class HuFaultKind(StrEnum):
    """What probably happened to values that are not HU."""

    EMPTY = "a volume without content"
    SCALED = "values that were scaled to a small range"
    PICTURE = "values that were scaled to a small range, such as the 256 gray values of a picture"
    WITHOUT_INTERCEPT = (
        "stored values without the rescale intercept (often -1024), or values of another sign or"
        " scale"
    )
    INTERCEPT_TWICE = "values that were rescaled twice, or with a wrong slope"
    WINDOW = "values that were cut to a display window, or padded with a value that is not air"
    ONE_VALUE = "values that were padded with a value that is not air, inverted or scaled"
    SLOPE = "values that were rescaled with a wrong slope, or cut to a window"
    SHIFTED = "values that were rescaled with a wrong slope or intercept"
    NO_FAT = "values of no CT, or stored values without the rescale intercept"


@dataclass(frozen=True, slots=True, kw_only=True)
class HuFault:
    """What probably happened to values that are not HU, and the numbers that show it."""

    kind: HuFaultKind
    seen: str


Rule: TypeAlias = tuple[HuFaultKind, bool, str]  # the fault, whether it is so, what shows it


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


def most_at(value: float) -> float:
    """Return the largest share of voxels that a sound scan may have at exactly this value."""
    is_tissue = TISSUE_HU[0] < value <= TISSUE_HU[1]
    return MOST_AT_ONE_TISSUE_VALUE if is_tissue else MOST_AT_ONE_VALUE


def hu_fault(shares: HuShares) -> HuFault | None:
    """Return what probably happened to values that are not HU, or None if they are HU."""
    for rules in (_range_rules(shares), _end_rules(shares), _place_rules(shares)):
        for kind, is_so, seen in rules:
            if is_so:
                return HuFault(kind=kind, seen=seen)
    return None


def has_low_peak(shares: HuShares) -> bool:
    """Return whether a narrow peak is too low for fat, and too high for air."""
    return bool(shares.peaks_hu) and shares.peaks_hu[0] < LOWEST_PEAK_HU


def has_high_fat(shares: HuShares) -> bool:
    """Return whether the peaks of fat and of soft tissue, and the air, all are too high.

    Only scans with air around the body are judged, because a crop may have no fat, and lung may be
    its lightest part.
    """
    if len(shares.peaks_hu) < 2 or shares.border_air < LEAST_BORDER_AIR or shares.gas < LEAST_GAS:
        return False
    fat_hu, tissue_hu = shares.peaks_hu[:2]
    is_pair = FAT_TO_TISSUE_HU[0] <= tissue_hu - fat_hu <= FAT_TO_TISSUE_HU[1]
    lowest_air_hu = -1000 + 0.7 * (fat_hu + 100)  # the air of a scan with that offset is above
    return is_pair and fat_hu > MOST_FAT_HU and shares.gas_low > lowest_air_hu


def _range_rules(shares: HuShares) -> tuple[Rule, ...]:
    """Return the rules on the range of the values, and on values that many voxels share."""
    span = shares.inner_high - shares.inner_low
    inner = f"values from {shares.inner_low:.4g} to {shares.inner_high:.4g}"
    return (
        (HuFaultKind.EMPTY, shares.low == shares.high, f"{shares.low:g} in every voxel"),
        (HuFaultKind.SCALED, span <= UNIT_SPAN, inner),
        (HuFaultKind.PICTURE, span <= PICTURE_SPAN and shares.fat < LEAST_FAT, inner),
        (
            HuFaultKind.WINDOW,
            shares.at_one > most_at(shares.one)
            and shares.high < WINDOW_TOP_HU
            and abs(shares.high - shares.one) <= 1,
            f"{shares.at_one:.1%} of its voxels at exactly its highest value, {shares.high:g}",
        ),
        (
            HuFaultKind.ONE_VALUE,
            shares.at_one > most_at(shares.one) and shares.low < shares.one,
            f"{shares.at_one:.1%} of its voxels at exactly {shares.one:g}",
        ),
        (
            HuFaultKind.WITHOUT_INTERCEPT,
            shares.dense > MOST_DENSE,
            f"{shares.dense:.1%} of its voxels above {DENSE_HU:g}, where only dense bone and metal"
            " are",
        ),
    )


def _end_rules(shares: HuShares) -> tuple[Rule, ...]:
    """Return the rules on the lowest and the highest values, which a display window cuts."""
    return (
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
            HuFaultKind.WINDOW,
            shares.bottom > PADDING_AT_MOST_HU
            and shares.border_at_bottom > MOST_BORDER_AT_LOW_END
            and shares.center_at_bottom < MOST_CENTER_AT_LOW_END,
            f"{shares.border_at_bottom:.0%} of the voxels at its border near {shares.bottom:.0f},"
            " and nothing below",
        ),
    )


def _place_rules(shares: HuShares) -> tuple[Rule, ...]:
    """Return the rules on where air, fat and soft tissue lie."""
    peaks = " and ".join(f"{hu:.0f}" for hu in shares.peaks_hu)
    return (
        (
            HuFaultKind.SLOPE,
            shares.gas > LEAST_GAS
            and shares.gas_low > DARKEST_GAS_AT_MOST_HU
            and shares.gas_spread < MOST_GAS_SPREAD_HU,
            f"its darkest gas above the lowest value near {shares.gas_low:.0f}, where air has"
            " -1000",
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
            HuFaultKind.SHIFTED,
            has_low_peak(shares) or has_high_fat(shares),
            f"the peaks of its histogram at {peaks}, where fat has -100 and soft tissue 0 to 150",
        ),
        (
            HuFaultKind.NO_FAT,
            shares.fat < LEAST_FAT,
            f"{shares.fat:.1%} of its voxels from {FAT_HU[0]:g} to {FAT_HU[1]:g}, where fat and"
            " the edges of air are",
        ),
    )
