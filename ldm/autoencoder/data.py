"""The scans that an autoencoder is trained and judged on: each put on its grids once, then kept.

    grids/INPUT_SIZE/CROP/CASE.npy     HU, int16 (x, y, z), read from disk where it lies
    grids/INPUT_SIZE/CROP/CASE.txt     why a scan could not be used

A scan is trained on, or judged, only if no crop keeps it for another split: crops have different
scans, and so different splits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.config import Crop
from ldm.data.cohort.cohort import Cohort, Exclusion, Scan, Split
from ldm.data.cohort.pseudonyms import without_names
from ldm.data.cohort.splits import assign_splits
from ldm.data.geometry.volume import BoolArray, FloatArray, Volume
from ldm.data.latents.gridding import grid_scan
from ldm.errors import InputError, ScanError
from ldm.files.atomic_write import atomic_write

# What damaged files make NumPy raise (found by fuzzing): it parses a header as Python.
GRID_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    OverflowError,
    SyntaxError,
    TokenError,
    MemoryError,
    RecursionError,
)
READ_SPLITS = (Split.TRAIN, Split.VALIDATION)  # test scans wait for the final report
STRICTEST = (Split.TEST, Split.VALIDATION, Split.TRAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridJob:
    """One scan and one crop to put on the grids of every input size, below ``folder``.

    With ``hides_names`` no reason names a file.
    """

    scan: Scan
    crop: Crop
    config: AutoencoderTrainingConfig
    folder: Path
    hides_names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GriddedScans:
    """Files of HU by crop, of the training and the validation split, and what was left out."""

    training: Mapping[Crop, tuple[Path, ...]]
    validation: Mapping[Crop, tuple[Path, ...]]
    exclusions: tuple[Exclusion, ...]


def splits_of(cohort: Cohort) -> dict[str, Split]:
    """The split of each case of a full-body cohort: the strictest that any crop gives it."""
    with_mask = [scan.case_id for scan in cohort.scans if scan.findings.mask_box is not None]
    of_masked = assign_splits(with_mask)
    return {
        scan.case_id: min(
            (scan.split, of_masked.get(scan.case_id, scan.split)), key=STRICTEST.index
        )
        for scan in cohort.scans
    }


def grid_jobs(
    cohort: Cohort, config: AutoencoderTrainingConfig, folder: Path, *, hides_names: bool = False
) -> list[GridJob]:
    """What there is to put on grids, of a full-body cohort; test scans are never opened."""
    splits = splits_of(cohort)
    return [
        GridJob(scan=scan, crop=crop, config=config, folder=folder, hides_names=hides_names)
        for crop in config.crops
        for scan in cohort.scans
        if splits[scan.case_id] in READ_SPLITS
        and (crop is not Crop.PANCREAS or scan.findings.mask_box is not None)
    ]


def is_done(job: GridJob) -> bool:
    """Whether a scan is on its grids, or known to be unusable."""
    return _reason_file(job).is_file() or all(path.is_file() for path in _files(job))


def put_on_grids(job: GridJob, find_trunk: Callable[[Volume], BoolArray]) -> None:
    """Write a scan's grids, or the reason why it cannot be used."""
    paths = _files(job)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        gridded = grid_scan(job.scan, job.config.images(job.crop), find_trunk)
    except ScanError as error:
        leave_out(job, str(error))
        return
    for path, one in zip(paths, gridded, strict=True):
        with atomic_write(path) as file, file.open("wb") as stream:
            np.save(stream, np.rint(one.hu).astype(np.int16))


def leave_out(job: GridJob, reason: str) -> None:
    """Write down why a scan cannot be used."""
    path = _reason_file(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(without_names(reason, job.scan.case) if job.hides_names else reason)


def gridded_scans(cohort: Cohort, jobs: Sequence[GridJob]) -> GriddedScans:
    """The files of finished jobs; raises InputError unless each crop has scans of both splits."""
    splits = splits_of(cohort)
    files: dict[tuple[Split, Crop], list[Path]] = {}
    exclusions = list(cohort.exclusions)
    for job in jobs:
        if _reason_file(job).is_file():
            reason = f"{job.crop}: {_reason_file(job).read_text()}"
            exclusions.append(Exclusion(case_id=job.scan.case_id, reason=reason))
        else:
            files.setdefault((splits[job.scan.case_id], job.crop), []).extend(_files(job))
    crops = tuple(dict.fromkeys(job.crop for job in jobs))
    by_split: dict[Split, dict[Crop, tuple[Path, ...]]] = {}
    for split in READ_SPLITS:
        by_split[split] = {crop: tuple(files.get((split, crop), ())) for crop in crops}
        empty = [str(crop) for crop, paths in by_split[split].items() if not paths]
        if empty or not crops:
            reasons = "".join(f"\n  {one.case_id}: {one.reason}" for one in exclusions[:10])
            raise InputError(
                f"each crop needs a {split} scan, {', '.join(empty) or 'none'} of cohort "
                f"{cohort.name} has none: add scans, or leave the crop out{reasons}"
            )
    return GriddedScans(
        training=by_split[Split.TRAIN],
        validation=by_split[Split.VALIDATION],
        exclusions=tuple(exclusions),
    )


def read_hu(path: Path) -> FloatArray:
    """One scan on its grid."""
    hu: FloatArray = open_grid(path).astype(np.float32)
    return hu


def open_grid(path: Path) -> NDArray[np.int16]:
    """A scan on its grid, HU (x, y, z), left on disk; raises InputError for a damaged file.

    A header that claims more than the file holds is refused before memory is taken.
    """
    try:
        grid: NDArray[np.int16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except GRID_ERRORS as error:
        raise InputError(f"{path} cannot be read as a grid ({error}): remove it") from error
    if not isinstance(grid, np.ndarray) or grid.dtype != np.int16 or grid.ndim != 3:
        raise InputError(f"{path} must hold int16 of 3 axes, it does not: remove it")
    return grid


def _files(job: GridJob) -> list[Path]:
    return [
        job.folder / "grids" / size / job.crop / f"{job.scan.case_id}.npy"
        for size in job.config.input_sizes
    ]


def _reason_file(job: GridJob) -> Path:
    return _files(job)[0].with_suffix(".txt")
