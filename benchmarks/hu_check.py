"""Measure how far sound scans keep from the limits that recognize values that are not HU.

    python benchmarks/hu_check.py                      # ten phantoms, half a minute
    python benchmarks/hu_check.py Task07_Pancreas      # also the scans of a folder

Each scan is looked at as it is and altered in ways that keep it sound: with noise, cut to the
window of the model, with metal, contrast agent and gas, in a wide field of air, and parts of it.
For each limit, a row has the smallest margin: how many times farther from a false alarm than the
limit itself. A limit that no scan comes near has no row. Further rows count false alarms, and
faults that were recognized.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rows import print_row, row

from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry import hounsfield
from ldm.data.geometry.hounsfield import HuShares, hu_fault, hu_shares
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
    "padded with 0": lambda hu: np.pad(hu, [(hu.shape[0] // 12,) * 2, (0, 0), (0, 0)]),
    "padded with 62512": lambda hu: np.where(hu <= -1000, 62512, hu),
}


def margins(shares: HuShares) -> dict[str, float]:
    """Return how far a sound scan keeps from each limit, as a ratio that is above 1."""
    beside = max(shares.higher, hounsfield.LEAST_TISSUE_TO_LOWER * shares.lower)
    is_window = shares.low > hounsfield.PADDING_AT_MOST_HU
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
        "span": ratio(shares.inner_high - shares.inner_low, hounsfield.UNIT_SPAN),
    }


def ratio(larger: float, smaller: float) -> float:
    return larger / smaller if smaller else math.inf


def scans(folders: list[Path]) -> Iterator[tuple[str, Hu]]:
    for seed in range(N_PHANTOMS):
        yield f"phantom {seed}", np.maximum(make_phantom(seed).scan.array, -1000)
    for folder in folders:
        for case in list_cases(folder).cases:
            yield case.case_id, read_scan(case.image).array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", nargs="*", type=Path)
    smallest: dict[str, tuple[float, str]] = {}
    n_sound = n_alarms = n_faulty = n_recognized = 0
    for name, hu in scans(parser.parse_args().folders):
        for what, alter in SOUND.items():
            shares = hu_shares(alter(hu).astype(np.float32))
            n_sound, n_alarms = n_sound + 1, n_alarms + (hu_fault(shares) is not None)
            for limit, margin in margins(shares).items():
                smallest[limit] = min(
                    smallest.get(limit, (math.inf, "")), (margin, f"{name}, {what}")
                )
        for alter in FAULTY.values():
            fault = hu_fault(hu_shares(alter(hu).astype(np.float32)))
            n_faulty, n_recognized = n_faulty + 1, n_recognized + (fault is not None)
    near = {limit: found for limit, found in smallest.items() if math.isfinite(found[0])}
    for limit, (margin, where) in near.items():
        name = f"margin of {limit}: smallest in {where}"
        print_row(row(name, margin, unit="times the limit", at_least=1))
    print_row(row("false alarms", n_alarms, unit=f"of {n_sound} sound volumes", at_most=0))
    unit = f"of {n_faulty} faulty volumes"
    print_row(row("recognized faults", n_recognized, unit=unit, at_least=n_faulty))


if __name__ == "__main__":
    main()
