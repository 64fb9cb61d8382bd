"""Measure how far sound scans keep from the limits that tell an abdomen from other regions.

    python benchmarks/abdomen_check.py                      # 20 phantoms, half a minute
    python benchmarks/abdomen_check.py Task07_Pancreas      # also the scans of a folder

Each scan is looked at as it is and altered in ways that keep it an abdomen: with noise, with gas in
the tissue, in a wide field of air, and its lower part. For each trait, a row has the smallest
margin: how many times farther from its limits than the limit itself. Further rows count scans that
were named although they are abdomens, alone and among those of their kind. For each scan of a
folder, rows have the share of lung in its upper part, which comes closer to a chest the thinner it
is.
"""

import argparse
import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rows import print_row, row

from ldm.data.cohort.abdomen import TRAITS, notes_on_regions
from ldm.data.cohort.case import Case
from ldm.data.cohort.cohort import Scan, Split
from ldm.data.cohort.inspection import Findings
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.body_region import body_region
from ldm.data.geometry.volume import Volume
from ldm.data.phantom.phantom import make_phantom

Hu = NDArray[np.float32]
N_PHANTOMS = 20
UPPER_PARTS = (1.0, 0.5, 0.3, 0.15)
RNG = np.random.default_rng(0)


def noisy(hu: Hu, hu_noise: float) -> Hu:
    return np.maximum(hu + RNG.normal(0, hu_noise, hu.shape), -1000)


def with_gas(hu: Hu) -> Hu:
    is_gas = (RNG.random(hu.shape) < 0.2) & (hu > -200)
    return np.where(is_gas, noisy(hu * 0 - 980, 20), hu)


def wide(hu: Hu) -> Hu:
    x, y, _ = hu.shape
    return np.pad(hu, ((x // 4,) * 2, (y // 4,) * 2, (0, 0)), constant_values=-1000)


SOUND: dict[str, Callable[[Hu], Hu]] = {
    "as it is": lambda hu: hu,
    "low dose": lambda hu: noisy(hu, 80),
    "gas in the tissue": with_gas,
    "wide field of air": wide,
    "lower three quarters": lambda hu: hu[:, :, : hu.shape[2] * 3 // 4],
}


def volumes(folders: list[Path]) -> Iterator[tuple[str, Volume]]:
    for seed in range(N_PHANTOMS):
        yield f"phantom {seed}", make_phantom(seed).scan
    for folder in folders:
        for case in list_cases(folder).cases:
            yield case.case_id, read_scan(case.image)


def altered(volume: Volume, alter: Callable[[Hu], Hu]) -> Volume:
    return dataclasses.replace(volume, array=alter(volume.array).astype(np.float32))


def scan_of(name: str, volume: Volume) -> Scan:
    """Return a scan with the findings that ``notes_on_regions`` looks at."""
    n_x, n_y, n_z = volume.array.shape
    x_mm, y_mm, z_mm = volume.spacing_mm.tolist()
    findings = Findings(
        image_sha256="",
        sha256="",
        patient=None,
        shape_voxels=(n_x, n_y, n_z),
        spacing_mm=(x_mm, y_mm, z_mm),
        mask_box=None,
        region=body_region(volume),
    )
    case = Case(case_id=name, image=Path(name), mask=None)
    return Scan(case=case, findings=findings, split=Split.TRAIN)


def margin(value: float, low: float, high: float) -> float:
    """Return how far a value keeps from the nearer of two limits, as a ratio that is above 1."""
    return float(min(value / low if low else math.inf, high / value if value else math.inf))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", nargs="*", type=Path)
    smallest: dict[str, tuple[float, str]] = {}
    groups: dict[str, list[Scan]] = {}
    for name, volume in volumes(parser.parse_args().folders):
        for what, alter in SOUND.items():
            scan = scan_of(f"{name}, {what}", altered(volume, alter))
            groups.setdefault(f"{what} {name.partition(' ')[0] == 'phantom'}", []).append(scan)
            for trait in TRAITS:
                keeps = margin(trait.of(scan.findings) or 0.0, trait.low, trait.high)
                smallest[trait.name] = min(
                    smallest.get(trait.name, (math.inf, "")), (keeps, scan.case_id)
                )
        if not name.startswith("phantom"):
            for part in UPPER_PARTS:
                upper = altered(volume, lambda hu, part=part: hu[:, :, -int(part * hu.shape[2]) :])
                share = body_region(upper).lung_share
                print_row(row(f"lung in the upper {part:.0%} of {name}", share, unit="of the body"))
    for limit, (keeps, where) in smallest.items():
        name = f"margin of {limit}: smallest in {where}"
        print_row(row(name, keeps, unit="times the limit", at_least=1))
    scans = [scan for group in groups.values() for scan in group]
    n_alone = sum(1 for scan in scans for _ in notes_on_regions([scan]))
    n_among = sum(1 for group in groups.values() for _ in notes_on_regions(group))
    unit = f"of {len(scans)} abdomens"
    print_row(row("named without cause, each alone", n_alone, unit=unit, at_most=0))
    print_row(row("named without cause, among their kind", n_among, unit=unit, at_most=0))


if __name__ == "__main__":
    main()
