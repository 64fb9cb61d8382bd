"""Measure which copies of training scans are recognized, how many false alarms there are, and time.

    python benchmarks/copies.py                  # 48 phantoms, ten minutes
    python benchmarks/copies.py --quick          # 16 phantoms
    python benchmarks/copies.py Task07_Pancreas  # also the scans of folders, as whole bodies

For each crop, half of the volumes are training scans. A false alarm is a held-out scan, or a
training scan compared with all others, that is called a copy although it is none. The name of each
row has the 95 % interval. The rows of altered copies give the share that is recognized. The time is
that of one sample with all scores that need no segmentation. Its baseline compares thumbnails voxel
by voxel, which finds unaltered copies only.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import process_time

import numpy as np
from rows import print_row, row
from scipy import ndimage
from scipy.spatial.distance import cdist

from evaluation.damage.altered_copies import ALTERATIONS, altered
from evaluation.damage.kinds import NamedVolume
from evaluation.features.extraction import RANDOM
from evaluation.features.networks import load_features
from evaluation.memorization.copies import find_memorization
from evaluation.memorization.search import nearest_training
from evaluation.metric import Observations
from evaluation.observation import Observation
from evaluation.observer import Observer
from ldm.config import Crop
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.crop import full_body_box, pancreas_box
from ldm.data.geometry.field_of_view import whole_view
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import FloatArray, Volume
from ldm.data.phantom.phantom import Phantom, make_phantom

DEMO_GRID, LARGE_GRID = (48, 48, 32), (128, 128, 128)
N_COPIES, N_TIMED = 8, 6


def cropped(phantom: Phantom, crop: Crop) -> Volume:
    scan, box = phantom.scan, full_body_box(phantom.scan)
    if crop is Crop.PANCREAS:
        inside = np.argwhere(phantom.task07_mask > 0)
        low, high = inside.min(axis=0).tolist(), (inside.max(axis=0) + 1).tolist()
        box = pancreas_box(scan.affine, (tuple(low), tuple(high)), 0.0)
    return to_grid(scan, whole_view(box), DEMO_GRID)


def observed(volumes: Iterator[NamedVolume] | Sequence[NamedVolume]) -> Observations:
    return tuple(Observer().observe_all(volumes))


def measure_crop(what: str, volumes: list[NamedVolume], n_training: int) -> None:
    """Print the rows of one crop. The first ``n_training`` volumes are the training scans."""
    training, held_out = observed(volumes[:n_training]), observed(volumes[n_training:])
    honest = find_memorization((), held_out=held_out, training=training)
    nearest = min(one.distance_hu for one in honest.real) / honest.threshold_hu
    alarms = honest.false_alarms
    n, n_alarms = (
        len(honest.real),
        sum(one.distance_hu <= honest.threshold_hu for one in honest.real),
    )
    interval = f", 95 % interval {alarms.low:.0%} to {alarms.high:.0%}" if alarms else ""
    print_row(
        row(f"{what}: false alarms{interval}", n_alarms, unit=f"of {n} scans", at_most=0.05 * n)
    )
    print_row(row(f"{what}: nearest scan that is no copy", nearest, unit="thresholds", at_least=1))
    for alteration, alter in ALTERATIONS.items():
        copies = observed(altered(volumes[: min(N_COPIES, n_training)], alter))
        found = find_memorization(copies, held_out=held_out, training=training)
        right = [one for one in found.copies if one.name == one.training]
        share = len(right) / len(copies)
        unit = f"of {len(copies)} copies"
        print_row(row(f"{what}: copies {alteration}", share, unit=unit, at_least=0.9))


def voxel_by_voxel(samples: Observations, training: Observations) -> FloatArray:
    """Return distances of thumbnails without any alignment, blurred by one voxel."""

    def vectors(volumes: Observations) -> FloatArray:
        thumbnails = (one.thumbnail.astype(np.float64).clip(-1000, 1000) for one in volumes)
        small = [ndimage.gaussian_filter(hu, 1.0)[::2, ::2, ::2].ravel() for hu in thumbnails]
        return np.stack(small).astype(np.float32)

    distances: FloatArray = cdist(vectors(samples), vectors(training))
    return distances


def measure_time(phantoms: list[Phantom], grid: tuple[int, int, int]) -> None:
    """Print the processor seconds of one sample. Training scans are compared before that."""
    observer = Observer(features=load_features(RANDOM))
    volumes = [
        (f"phantom_{seed}", to_grid(one.scan, whole_view(full_body_box(one.scan)), grid))
        for seed, one in enumerate(phantoms)
    ]
    training = observed(volumes[N_TIMED:])
    nearest_training(observed(volumes[:1]), training)

    def seconds(search: Callable[[tuple[Observation, ...], Observations], object]) -> float:
        started = process_time()
        search(tuple(observer.observe_all(volumes[:N_TIMED])), training)
        return (process_time() - started) / N_TIMED

    baseline, ours = seconds(voxel_by_voxel), seconds(nearest_training)
    name = f"time of a sample of {'x'.join(map(str, grid))} voxels, {len(training)} training scans"
    print_row(row(name, ours, unit="s of a core", baseline=baseline, at_most=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    phantoms = [make_phantom(seed) for seed in range(16 if arguments.quick else 48)]
    measure_time(phantoms, DEMO_GRID)
    measure_time(phantoms, LARGE_GRID)
    for crop in (Crop.FULL_BODY, Crop.PANCREAS):
        volumes = [(f"phantom_{seed}", cropped(one, crop)) for seed, one in enumerate(phantoms)]
        measure_crop(f"phantoms, {crop}", volumes, len(volumes) // 2)
    for folder in arguments.folders:
        scans = [(case.case_id, read_scan(case.image)) for case in list_cases(folder).cases]
        whole = [
            (name, to_grid(scan, whole_view(full_body_box(scan)), (96, 96, 96)))
            for name, scan in scans
        ]
        if len(whole) < 2:
            print(f"{folder} has fewer than two scans", file=sys.stderr)
            continue
        measure_crop(f"{folder.name}, whole scans", whole, len(whole))


if __name__ == "__main__":
    main()
