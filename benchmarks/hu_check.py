"""Measure how far sound scans keep from the limits that recognize values that are not HU.

    python benchmarks/hu_check.py                      # ten phantoms, half a minute
    python benchmarks/hu_check.py Task07_Pancreas      # also the scans of a folder
    python benchmarks/hu_check.py --voxels 100000 Task07_Pancreas  # a part of their voxels: faster

Each scan is looked at as it is and altered in ways that keep it sound: with noise, cut to the
window of the model, with metal, contrast agent and gas, in a wide field of air, and parts of it.
For each limit, a row has the smallest margin: how many times farther from a false alarm than the
limit itself. A limit that no scan comes near has no row. Where a fault shows in several values
together, the margin is that of the value that keeps farthest. Further rows count false alarms,
and faults that were recognized. Faults that resemble sound scans are counted without a goal.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rows import print_row, row
from scipy.ndimage import gaussian_filter, zoom

from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry import hounsfield
from ldm.data.geometry.body import body_mask
from ldm.data.geometry.hounsfield import hu_fault
from ldm.data.geometry.hu_shares import PADDING_AT_MOST_HU, HuShares, hu_shares
from ldm.data.phantom.phantom import make_phantom

Hu = NDArray[np.float32]
N_PHANTOMS = 10
RNG = np.random.default_rng(0)


def middle(hu: Hu, part: float) -> Hu:
    """Return the middle of a scan: a part of its length along each axis."""
    ends = [(int(n * (1 - part) / 2), int(n * (1 + part) / 2)) for n in hu.shape]
    return hu[tuple(slice(low, high) for low, high in ends)]


def noisy(hu: Hu, hu_noise: float) -> Hu:
    return np.maximum(hu + RNG.normal(0, hu_noise, hu.shape), -1000)


def strewn(hu: Hu, values: Hu | float, share: float) -> Hu:
    """Give a random share of the body's voxels other values."""
    return np.where((RNG.random(hu.shape) < share) & (hu > -200), values, hu)


def wide(hu: Hu) -> Hu:
    x, y, _ = hu.shape
    return np.pad(hu, ((x // 2,) * 2, (y // 2,) * 2, (0, 0)), constant_values=-1000)


def table(hu: Hu) -> Hu:
    """Put foam in a shell below the body, as tables are."""
    with_table = hu.copy()
    with_table[:, :4] = noisy(hu[:, :4] * 0 - 930, 20)
    with_table[:, 4:6] = noisy(hu[:, 4:6] * 0 - 300, 100)
    return with_table


def windowed(hu: Hu, low: float, high: float) -> Hu:
    """Cut to a window, then resample linearly to 80 % of the size."""
    return np.asarray(zoom(hu.clip(low, high), 0.8, order=1), np.float32)


def with_noise(hu: Hu, hu_noise: float) -> Hu:
    return np.asarray(hu + RNG.normal(0, hu_noise, hu.shape), np.float32)


SOUND: dict[str, Callable[[Hu], Hu]] = {
    "as it is": lambda hu: hu,
    "low dose": lambda hu: noisy(hu, 80),
    "very low dose": lambda hu: noisy(hu, 150),
    "cut to the window": lambda hu: hu.clip(-1000, 1000),
    "contrast agent": lambda hu: strewn(hu, noisy(hu, 40) + 200, 0.2),
    "metal": lambda hu: strewn(hu, 3071, 0.02),
    "gas in the tissue": lambda hu: strewn(hu, noisy(hu * 0 - 960, 20), 0.2),
    "in steps of 8 HU": lambda hu: np.rint(hu / 8) * 8,
    "wide field of air": wide,
    "smooth": lambda hu: gaussian_filter(hu, 1),
    "no air around the body": lambda hu: np.where(body_mask(hu), hu, -1000),
    "air at -950": lambda hu: np.where(hu < -900, noisy(hu * 0 - 950, 15), hu),
    "a table": table,
    "half of each axis": lambda hu: middle(hu, 0.5),
    "an eighth of each axis": lambda hu: middle(hu, 0.125),
    "four slices": lambda hu: hu[:, :, hu.shape[2] // 2 - 2 : hu.shape[2] // 2 + 2],
}
FAULTY: dict[str, Callable[[Hu], Hu]] = {
    "no intercept": lambda hu: hu + 1024,
    "no intercept, padded": lambda hu: np.where(hu > -990, hu + 1024, -1000),
    "intercept twice": lambda hu: np.maximum(hu - 1024, -1000),
    "250 HU too high": lambda hu: hu + 250,
    "250 HU too low": lambda hu: np.maximum(hu - 250, -1000),
    "half": lambda hu: hu / 2,
    "window of soft tissue": lambda hu: hu.clip(-160, 240),
    "window of bone": lambda hu: hu.clip(-450, 1050),
    "0 to 1": lambda hu: (hu.clip(-1000, 1000) + 1000) / 2000,
    "-1 to 1": lambda hu: hu.clip(-1000, 1000) / 1000,
    "0 to 255": lambda hu: np.rint((hu.clip(-1000, 1000) + 1000) * 0.1275),
    "half, padded": lambda hu: np.where(hu > -1000, hu / 2, -1000),
    "double": lambda hu: np.maximum(hu * 2, -1000),
    "100 HU too high": lambda hu: hu + 100,
    "100 HU too low": lambda hu: np.maximum(hu - 100, -1000),
    "window with noise": lambda hu: with_noise(hu.clip(-160, 240), 5),
    "inverted": lambda hu: np.maximum(-hu, -1000),
    "padded with 0": lambda hu: np.pad(hu, [(hu.shape[0] // 12,) * 2, (0, 0), (0, 0)]),
    "padded with 62512": lambda hu: np.where(hu <= -1000, 62512, hu),
}

LIKE_SOUND: dict[str, Callable[[Hu], Hu]] = {
    "50 HU too high": lambda hu: hu + 50,
    "50 HU too low": lambda hu: np.maximum(hu - 50, -1000),
    "0.8 of each value": lambda hu: hu * 0.8,
    "1.2 of each value": lambda hu: np.maximum(hu * 1.2, -1000),
    "1.5 of each value": lambda hu: np.maximum(hu * 1.5, -1000),
    "cut at 400 HU and resampled": lambda hu: windowed(hu, -1000, 400),
    "cut at 400 HU and smoothed": lambda hu: gaussian_filter(hu.clip(-1000, 400), 0.7),
    "cut at 400 HU, with noise": lambda hu: with_noise(hu.clip(-1000, 400), 5),
}


def margins(shares: HuShares) -> dict[str, float]:
    """Return how far a sound scan keeps from each limit, as a ratio that is above 1."""
    beside = max(shares.higher, hounsfield.LEAST_TISSUE_TO_LOWER * shares.lower)
    is_window = shares.low > PADDING_AT_MOST_HU
    return {
        "dense": ratio(hounsfield.MOST_DENSE, shares.dense),
        "fat and soft tissue": ratio(shares.tissue, hounsfield.LEAST_TISSUE),
        "fat": ratio(shares.fat, hounsfield.LEAST_FAT),
        "tissue to both sides": ratio(shares.tissue, beside),
        "one value": ratio(hounsfield.most_at(shares.one), shares.at_one),
        "lowest value": ratio(hounsfield.MOST_AT_LOW_END, shares.at_low if is_window else 0),
        "highest value": ratio(
            hounsfield.MOST_AT_HIGH_END,
            shares.at_high if shares.high < hounsfield.WINDOW_TOP_HU else 0,
        ),
        "blurred lowest value": max(
            ratio(shares.bottom, PADDING_AT_MOST_HU),
            ratio(hounsfield.MOST_BORDER_AT_LOW_END, shares.border_at_bottom),
            ratio(shares.center_at_bottom, hounsfield.MOST_CENTER_AT_LOW_END),
        ),
        "air": max(
            ratio(hounsfield.LEAST_GAS, shares.gas),
            ratio(shares.gas_low, hounsfield.DARKEST_GAS_AT_MOST_HU),
            ratio(shares.gas_spread, hounsfield.MOST_GAS_SPREAD_HU),
        ),
        "lowest peak": lowest_peak_margin(shares),
        "peak of fat": high_fat_margin(shares),
        "span": ratio(shares.inner_high - shares.inner_low, hounsfield.UNIT_SPAN),
    }


def lowest_peak_margin(shares: HuShares) -> float:
    lowest_hu = shares.peaks_hu[0] if shares.peaks_hu else 0.0
    return ratio(hounsfield.LOWEST_PEAK_HU, lowest_hu) if lowest_hu < 0 else math.inf


def high_fat_margin(shares: HuShares) -> float:
    """Return how far peaks and air keep from those of a scan with an offset."""
    if len(shares.peaks_hu) < 2:
        return math.inf
    fat_hu = shares.peaks_hu[0]
    return max(
        ratio(fat_hu, hounsfield.MOST_FAT_HU) if fat_hu < 0 else 0,
        ratio(hounsfield.LEAST_BORDER_AIR, shares.border_air),
        ratio(hounsfield.LEAST_GAS, shares.gas),
    )


def ratio(larger: float, smaller: float) -> float:
    return larger / smaller if smaller else math.inf


def scans(folders: list[Path], n_voxels: int | None) -> Iterator[tuple[str, Hu]]:
    """Yield phantoms, and the scans of folders: a regular subset of at most so many voxels."""
    for seed in range(N_PHANTOMS):
        yield f"phantom {seed}", np.maximum(make_phantom(seed).scan.array, -1000)
    for folder in folders:
        for case in list_cases(folder).cases:
            hu = read_scan(case.image).array
            step = math.ceil((hu.size / n_voxels) ** (1 / 3)) if n_voxels else 1
            yield case.case_id, hu[::step, ::step, ::step].copy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--voxels", type=int, help="most voxels of each scan in the folders")
    options = parser.parse_args()
    smallest: dict[str, tuple[float, str]] = {}
    recognized: dict[str, list[bool]] = {}
    n_sound = n_alarms = 0
    for name, hu in scans(options.folders, options.voxels):
        for what, alter in SOUND.items():
            shares = hu_shares(alter(hu).astype(np.float32))
            n_sound, n_alarms = n_sound + 1, n_alarms + (hu_fault(shares) is not None)
            for limit, margin in margins(shares).items():
                smallest[limit] = min(
                    smallest.get(limit, (math.inf, "")), (margin, f"{name}, {what}")
                )
        for what, alter in (FAULTY | LIKE_SOUND).items():
            fault = hu_fault(hu_shares(alter(hu).astype(np.float32)))
            recognized.setdefault(what, []).append(fault is not None)
    near = {limit: found for limit, found in smallest.items() if math.isfinite(found[0])}
    for limit, (margin, where) in near.items():
        name = f"margin of {limit}: smallest in {where}"
        print_row(row(name, margin, unit="times the limit", at_least=1))
    print_row(row("false alarms", n_alarms, unit=f"of {n_sound} sound volumes", at_most=0))
    found = [is_found for what in FAULTY for is_found in recognized[what]]
    unit = f"of {len(found)} faulty volumes"
    print_row(row("recognized faults", sum(found), unit=unit, at_least=len(found)))
    for what in LIKE_SOUND:
        name = f"recognized without a goal: {what}"
        print_row(row(name, sum(recognized[what]), unit=f"of {len(recognized[what])} volumes"))


if __name__ == "__main__":
    main()
