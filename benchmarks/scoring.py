"""Measure the cost of scores: histograms, TotalSegmentator, and the memory of all scores together.

    OMP_NUM_THREADS=1 python benchmarks/scoring.py            # fifteen minutes on one core
    OMP_NUM_THREADS=1 python benchmarks/scoring.py --quick    # five minutes

The volumes are phantoms at the study's resolution, segmented with the phantom weights. Whether
evaluation delays training is reported by each sweep, as ``waiting_s`` in ``trials.csv``.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
from fresh import Cost, cost_of, in_fresh_process
from rows import Row, print_row, row

from evaluation.features.extraction import RANDOM
from evaluation.histograms.histogram import EDGES_HU, body_histograms, distance_hu, scan_histograms
from evaluation.organs.weights import PHANTOM_WEIGHTS, TOTAL_3MM, TOTAL_6MM
from ldm.config import Crop
from ldm.data.geometry.body import body_mask
from ldm.data.geometry.crop import full_body_box
from ldm.data.geometry.field_of_view import whole_view
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import FloatArray, Volume
from ldm.data.phantom.phantom import make_phantom
from ldm.recipes import BUNDLE_GRID_VOXELS

N_HISTOGRAM = 32
MAX_HISTOGRAM_S, MAX_PASSES, MIN_SPEEDUP, MAX_GIB = 2.0, 1.5, 2.5, 3.0


def volumes(n: int, seed: int) -> Iterator[tuple[str, Volume]]:
    """Yield the names and volumes of ``n`` phantoms on the study's grid, made one at a time.

    Their seeds are consecutive and start from ``seed``.
    """
    for index in range(n):
        phantom = make_phantom(seed + index).scan
        grid = to_grid(phantom, whole_view(full_body_box(phantom)), BUNDLE_GRID_VOXELS)
        yield f"phantom_{seed + index}", grid


def seconds_of(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def histogram_rows() -> Iterator[Row]:
    """Yield rows that compare our histograms of 32 scans with NumPy's histogram of the same data.

    Ours include the body mask and the distance. They are measured in the memory order of NIfTI
    files, and without a goal in the memory order of the latent store.
    """
    stored = [volume.array for _, volume in volumes(N_HISTOGRAM, seed=100)]
    as_read = [np.asfortranarray(array) for array in stored]
    ours_s, numpys_s = histogram_seconds(as_read)
    yield row("evaluation.histogram.32_scans", ours_s, unit="s", at_most=MAX_HISTOGRAM_S)
    yield row(
        "evaluation.histogram.beside_numpy",
        ours_s,
        unit="s",
        baseline=numpys_s,
        at_most=MAX_PASSES,
    )
    ours_s, numpys_s = histogram_seconds([np.ascontiguousarray(array) for array in stored])
    yield row("evaluation.histogram.stored_order", ours_s, unit="s", baseline=numpys_s)


def histogram_seconds(arrays: list[FloatArray]) -> tuple[float, float]:
    """Return the seconds of our histograms and of NumPy's, medians of five runs in turn."""
    reference = body_histograms(arrays[:4])

    def ours() -> float:
        seen = np.stack([scan_histograms(hu, body_mask(hu))[0] for hu in arrays])
        return distance_hu(seen, reference)

    def numpys() -> None:
        for hu in arrays:
            np.histogram(hu, EDGES_HU)

    pairs = [(seconds_of(ours), seconds_of(numpys)) for _ in range(5)]
    ours_s, numpys_s = (median(times) for times in zip(*pairs, strict=True))
    return ours_s, numpys_s


def segmentation_row(n: int) -> Row:
    """Return a row with the scans per minute of our segmenter, which stays loaded.

    It is compared with one call of the package for each scan.
    """
    from evaluation.organs.segmentation import WarmSegmenter, call_package

    scans = [make_phantom(200 + index).scan for index in range(n)]
    warm = WarmSegmenter(TOTAL_3MM, weights=PHANTOM_WEIGHTS)
    with tempfile.TemporaryDirectory() as home:

        def package(scan: Volume) -> object:
            return call_package(scan, TOTAL_3MM, PHANTOM_WEIGHTS, Path(home), "cpu")

        package(scans[0])  # the first calls import modules, so they are not measured
        warm(scans[0])
        pairs = [
            (seconds_of(lambda s=scan: warm(s)), seconds_of(lambda s=scan: package(s)))
            for scan in scans
        ]
    warm_s, package_s = (median(times) for times in zip(*pairs, strict=True))
    return row(
        "evaluation.segmentation.warm",
        60 / warm_s,
        unit="scans/min",
        baseline=60 / package_s,
        at_least=MIN_SPEEDUP,
    )


def full_set(n: int) -> Cost:
    """Compute all scores of ``n`` samples in this process and return the cost."""
    from evaluation.features.networks import load_features
    from evaluation.organs.segmentation import WarmSegmenter
    from evaluation.reference import Instruments, Reference, build_judge

    fine, coarse = (WarmSegmenter(m, weights=PHANTOM_WEIGHTS) for m in (TOTAL_3MM, TOTAL_6MM))
    instruments = Instruments(
        segmenters=(fine, coarse), networks=(RANDOM,), features=load_features(RANDOM)
    )
    reference = Reference(
        crop=Crop.FULL_BODY,
        held_out=lambda: volumes(4, seed=300),
        training=lambda: volumes(8, seed=400),
        hosts=(),
    )

    def run() -> None:
        with tempfile.TemporaryDirectory() as cache:
            judge = build_judge(reference, instruments, n=n, cache=Path(cache))
            observations = judge.observe(volumes(n, seed=500))
            judge.measure(observations)
            judge.find_copies(observations)

    return cost_of(run)[1]


def main() -> None:
    """Measure everything and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    is_quick = parser.parse_args().quick
    for measured in histogram_rows():
        print_row(measured)
    print_row(segmentation_row(3 if is_quick else 6))
    n = 8 if is_quick else 32
    cost = in_fresh_process(full_set, n)
    print_row(
        row(f"evaluation.full_set.{n}_samples", cost.peak_mib / 1024, unit="GiB", at_most=MAX_GIB)
    )


if __name__ == "__main__":
    main()
