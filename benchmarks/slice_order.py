"""Measure how well slices that are out of order are told from slices in order.

    python benchmarks/slice_order.py                    # 20 phantoms, half a minute
    python benchmarks/slice_order.py Task07_Pancreas    # also the scans of a folder

Each scan is looked at in order, as it is, with noise, and with slices that are 3 and 6 times as
thick. Then the slices are put into several wrong orders. Because two misplaced slices are needed to
refuse a scan, the second largest misplacement of its slices counts. A row has the largest one of
all scans in order, or the smallest one of all scans out of order.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rows import print_row, row

from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.slice_order import MOST, misplacement
from ldm.data.phantom.phantom import make_phantom

Hu = NDArray[np.float32]
N_PHANTOMS = 20
RNG = np.random.default_rng(0)
IN_ORDER: dict[str, Callable[[Hu], Hu]] = {
    "as it is": lambda hu: hu,
    "noise of 100 HU": lambda hu: hu + RNG.normal(0, 100, hu.shape).astype(np.float32),
    "3 times as thick": lambda hu: hu[..., ::3],
    "6 times as thick": lambda hu: hu[..., ::6],
}
ORDERS: dict[str, Callable[[int], Sequence[int]]] = {
    "by name": lambda n: sorted(range(n), key=str),
    "even ones after odd ones": lambda n: [*range(1, n, 2), *range(0, n, 2)],
    "at random": lambda n: RNG.permutation(n).tolist(),
    "two swapped": lambda n: [{n // 3: n // 2, n // 2: n // 3}.get(z, z) for z in range(n)],
}


def volumes(folders: list[Path]) -> Iterator[Hu]:
    for seed in range(N_PHANTOMS):
        yield np.asarray(make_phantom(seed).scan.array)
    for folder in folders:
        for case in list_cases(folder).cases:
            yield read_scan(case.image).array


def second_largest(hu: Hu) -> float:
    return float(np.sort(misplacement(hu))[-2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="*", help="Folders of scans.")
    sound: dict[str, float] = dict.fromkeys(IN_ORDER, 0.0)
    wrong: dict[str, float] = dict.fromkeys(ORDERS, np.inf)
    n = 0
    for hu in volumes(parser.parse_args().folders):
        n += 1
        for what, alter in IN_ORDER.items():
            sound[what] = max(sound[what], second_largest(alter(hu)))
        for what, order in ORDERS.items():
            wrong[what] = min(wrong[what], second_largest(hu[..., order(hu.shape[2])]))
    for what, ratio in sound.items():
        print_row(row(f"in order, {what}: largest of {n} scans", ratio, unit="ratio", at_most=MOST))
    for what, ratio in wrong.items():
        name = f"{what}: smallest of {n} scans"
        print_row(row(name, ratio, unit="ratio", at_least=MOST))


if __name__ == "__main__":
    main()
