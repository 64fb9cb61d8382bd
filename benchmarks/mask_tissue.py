"""Measure how well the HU in a mask tell whether it lies on the pancreas of its scan.

    python benchmarks/mask_tissue.py                      # ten phantoms, half a minute
    python benchmarks/mask_tissue.py Task07_Pancreas      # also the scans of a folder

Some changes keep a mask sound: more noise in the scan, or one more voxel around the mask. Others
make it wrong: it is mirrored or shifted. For each change, rows have the smallest share of soft
tissue, and how many masks are refused, and refused or noted.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rows import print_row, row
from scipy.ndimage import binary_dilation

from ldm.data.cohort.expert_mask import read_pancreas
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.mask_tissue import LEAST_SHARE, USUAL_SHARE, soft_tissue_share
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.volume import BoolArray, spacing_mm
from ldm.data.phantom.phantom import make_phantom

Hu = NDArray[np.float32]
Masked = tuple[Hu, BoolArray, NDArray[np.float64]]  # HU, mask, and voxel size in mm
N_PHANTOMS = 10
RNG = np.random.default_rng(0)


def shifted(axis: int, distance_mm: float) -> Callable[[Masked], Masked]:
    def shift(one: Masked) -> Masked:
        hu, mask, sizes_mm = one
        return hu, np.roll(mask, round(distance_mm / sizes_mm[axis]), axis), sizes_mm

    return shift


def mirrored(axis: int) -> Callable[[Masked], Masked]:
    return lambda one: (one[0], np.flip(one[1], axis), one[2])


def noisy(one: Masked) -> Masked:
    hu, mask, sizes_mm = one
    return (hu + RNG.normal(0, 50, hu.shape)).astype(np.float32), mask, sizes_mm


SOUND: dict[str, Callable[[Masked], Masked]] = {
    "as it is": lambda one: one,
    "low dose": noisy,
    "grown by a voxel": lambda one: (one[0], binary_dilation(one[1]), one[2]),
}
FAULTY: dict[str, Callable[[Masked], Masked]] = {
    "left and right mirrored": mirrored(0),
    "front and back mirrored": mirrored(1),
    "head and feet mirrored": mirrored(2),
    "shifted by 50 mm to the side": shifted(0, 50),
    "shifted by 100 mm to the front": shifted(1, 100),
    "shifted by 50 mm to the head": shifted(2, 50),
}


def masked_scans(folders: list[Path]) -> Iterator[Masked]:
    for seed in range(N_PHANTOMS):
        phantom = make_phantom(seed)
        yield phantom.scan.array, phantom.task07_mask > 0, spacing_mm(phantom.scan.affine)
    for folder in folders:
        for case in list_cases(folder).cases:
            if case.mask is not None:
                scan = read_scan(case.image)
                mask, _ = read_pancreas(case.mask, case.labels, case.image)
                yield scan.array, mask, scan.spacing_mm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", nargs="*", type=Path)
    scans = list(masked_scans(parser.parse_args().folders))
    for what, alter in (SOUND | FAULTY).items():
        shares = [soft_tissue_share(hu[mask]) for hu, mask, _ in map(alter, scans)]
        n_refused = sum(share < LEAST_SHARE for share in shares)
        n_seen = sum(share < USUAL_SHARE for share in shares)
        most = {"at_most": 0} if what in SOUND else {}
        unit = f"of {len(shares)}"
        print_row(row(f"{what}: smallest share of soft tissue", min(shares), unit="of the mask"))
        print_row(row(f"{what}: refused", n_refused, unit=unit, **most))
        print_row(row(f"{what}: refused or noted", n_seen, unit=unit, **most))


if __name__ == "__main__":
    main()
