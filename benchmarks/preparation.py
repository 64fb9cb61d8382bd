"""Measure the time and the memory of preparing scans.

    python benchmarks/preparation.py --quick

The cost of one scan is compared with MONAI's transforms and with decoding the file alone. The cost
of a cohort is compared with that of a smaller one. Peak memory is what a fresh process needs beyond
its imports.

``--quick`` makes fewer repetitions, and uses 40 phantoms instead of 100. It takes less than five
minutes on two cores.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import nibabel as nib
from fresh import in_fresh_process
from growth import Run, first_of, prepare, prepare_again
from one_scan import (
    after_decoding_s,
    difference_hu,
    measure_cube,
    measure_monai,
    measure_ours,
    write_scan,
    write_small_scan,
)
from rows import Row, print_row, row

from ldm.config import InputSize
from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort

REAL_SCAN = (
    Path(__file__).resolve().parents[2]
    / "shared/real_ct/Task07_Pancreas/imagesTs/pancreas_903.nii.gz"
)
# If all scans stayed in memory (3 MiB each with their grids), 90 more scans would need a seventh
# more memory than 10 scans do. The memory differs by a thirtieth between runs.
MEMORY_AT_MOST = 1.1
# If the time for a scan were proportional to the number of scans before it, the second half of the
# scans would take 3 times as long as the first.
SECOND_HALF_AT_MOST = 1.25
# The fastest run counts, because other programs can only slow a run down.
N_RUNS, N_RUNS_AGAIN = 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """The number of repetitions, and the size of the larger cohort.

    Attributes
    ----------
    n_rounds
        Repetitions of the comparison with MONAI.
    n_readings
        Repetitions of the comparison with decoding, and of the cube search.
    n_phantoms
        Phantoms in the larger cohort.
    """

    n_rounds: int
    n_readings: int
    n_phantoms: int


FULL = Effort(n_rounds=3, n_readings=9, n_phantoms=100)
QUICK = Effort(n_rounds=2, n_readings=5, n_phantoms=40)
N_FEW_PHANTOMS = 10


def main() -> None:
    """Measure everything in turn and print each row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="take less than five minutes")
    effort = QUICK if parser.parse_args().quick else FULL
    with TemporaryDirectory() as folder:
        for measured in _rows(Path(folder), effort):
            print_row(measured)


def _rows(folder: Path, effort: Effort) -> Iterator[Row]:
    scan, small = REAL_SCAN, folder / "small.nii.gz"
    write_small_scan(small)
    if not scan.is_file():
        scan = folder / "scan.nii.gz"
        write_scan(scan)
    kind = "real" if scan == REAL_SCAN else "generated"
    name = f"one {kind} scan, {'x'.join(map(str, nib.load(scan).shape))}"
    yield from _beside_monai(name, scan, small, effort)
    yield from _beside_decoding(name, scan, effort)
    yield from _largest_cube(effort)
    yield from _growth(folder, effort)


def _beside_monai(name: str, scan: Path, small: Path, effort: Effort) -> Iterator[Row]:
    ours, theirs = [], []
    for _ in range(effort.n_rounds):
        ours.append(in_fresh_process(measure_ours, scan, small))
        result, cost = in_fresh_process(measure_monai, scan, small)
        theirs.append(cost)
    task = f"{name}, read and resampled to 144x176x112, compared with MONAI's transforms"
    yield row(
        f"{task}: time on one thread",
        median(cost.seconds for cost in ours),
        unit="s",
        baseline=median(cost.seconds for cost in theirs),
        at_most=1 / 8,
    )
    yield row(
        f"{task}: peak memory beyond the imports",
        max(cost.peak_mib for cost in ours),
        unit="MiB",
        baseline=max(cost.peak_mib for cost in theirs),
        at_most=1 / 4,
    )
    yield row(
        f"{task}: mean absolute difference on MONAI's grid",
        in_fresh_process(difference_hu, scan, result),
        unit="HU",
        at_most=0.5,  # the latent store rounds to whole HU
    )


def _beside_decoding(name: str, scan: Path, effort: Effort) -> Iterator[Row]:
    for size in (InputSize.FIT, InputSize.SCAN):
        after_s, decoding_s = in_fresh_process(after_decoding_s, scan, size, effort.n_readings)
        yield row(
            f"{name}, input size {size}: all except gzip decoding, compared with gzip decoding",
            after_s,
            unit="s",
            baseline=decoding_s,
            at_most=1,
        )


def _largest_cube(effort: Effort) -> Iterator[Row]:
    costs = in_fresh_process(measure_cube, effort.n_readings)
    task = "largest cube in a mask of 512x512x300, 0.8x0.8x1 mm"
    yield row(f"{task}: time", median(cost.seconds for cost in costs), unit="s", at_most=2)
    peak_mib = max(cost.peak_mib for cost in costs)
    yield row(f"{task}: peak memory beyond the mask", peak_mib, unit="MiB", at_most=1024)


def _growth(folder: Path, effort: Effort) -> Iterator[Row]:
    all_of_them = ensure_phantom_cohort(folder, n_scans=effort.n_phantoms)
    first = first_of(all_of_them, N_FEW_PHANTOMS, folder / "few")
    few = prepare(first, folder / "few-prepared")
    runs = [prepare(all_of_them, folder / f"prepared-{index}") for index in range(N_RUNS)]
    yield from _compared(few, runs, f"preparing {effort.n_phantoms} phantoms", effort.n_phantoms)
    again_s = [prepare_again(all_of_them, folder / "prepared-0") for _ in range(N_RUNS_AGAIN)]
    yield row(
        f"preparing {effort.n_phantoms} phantoms again, with nothing to do: time of the process",
        min(again_s),
        unit="s",
        at_most=2,
    )


def _compared(few: Run, runs: list[Run], task: str, n_phantoms: int) -> Iterator[Row]:
    intervals_s = list(map(min, *(run.intervals_s for run in runs)))
    half = len(intervals_s) // 2
    yield row(
        f"{task}: median time between finished scans, second half compared with first half",
        median(intervals_s[-half:]),
        unit="s",
        baseline=median(intervals_s[:half]),
        at_most=SECOND_HALF_AT_MOST,
    )
    yield row(
        f"{task}, compared with {N_FEW_PHANTOMS}: time of the process",
        min(run.seconds for run in runs),
        unit="s",
        baseline=few.seconds,
        at_most=n_phantoms / N_FEW_PHANTOMS,
    )
    yield row(
        f"{task}, compared with {N_FEW_PHANTOMS}: peak memory of all processes together",
        max(run.peak_mib for run in runs),
        unit="MiB",
        baseline=few.peak_mib,
        at_most=MEMORY_AT_MOST,
    )


if __name__ == "__main__":
    main()
