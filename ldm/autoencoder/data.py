"""The scans that an autoencoder is trained and evaluated on.

Each scan is resampled once to the grid of each input size and stored as a file:

    grids/INPUT_SIZE/CROP/CASE.npy     HU, int16, (x, y, z); memory-mapped when read
    grids/INPUT_SIZE/CROP/CASE.json    the voxel size in mm
    grids/INPUT_SIZE/CROP/CASE.txt     the reason, if the scan cannot be used

Not every scan has a pancreas mask, so the pancreas crop has fewer cases than the other crops and
splits them differently. A scan is used for training only if it belongs to the training split of
every crop. Otherwise an autoencoder could be trained on scans that a sweep of another crop keeps
for its evaluation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from ldm.files.json_file import read_object, write_json

# Errors that NumPy raises for damaged files, found by fuzzing. It parses the header as Python code.
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
SPACING_SUFFIX = ".json"
READ_SPLITS = (Split.TRAIN, Split.VALIDATION)  # the test split is kept for the final report
STRICTEST = (Split.TEST, Split.VALIDATION, Split.TRAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderGridJob:
    """One scan and one crop to be resampled to the grids of all input sizes.

    Attributes
    ----------
    scan
        The scan.
    crop
        The crop.
    config
        The configuration, which gives the grids.
    folder
        The folder that contains ``grids/``.
    hides_names
        Whether to remove file names from the reason why a scan cannot be used.
    """

    scan: Scan
    crop: Crop
    config: AutoencoderTrainingConfig
    folder: Path
    hides_names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GriddedScans:
    """The files of the resampled scans by split and crop, and the scans that cannot be used.

    ``is_phantom`` says whether they are generated phantoms.
    """

    training: Mapping[Crop, tuple[Path, ...]]
    validation: Mapping[Crop, tuple[Path, ...]]
    exclusions: tuple[Exclusion, ...]
    is_phantom: bool = False


def splits_of(cohort: Cohort) -> dict[str, Split]:
    """Return the split of each case of a full-body cohort.

    If two crops split a case differently, test wins over validation, and validation over training.
    So no case is trained on that any crop keeps for scores. The keys are case names.
    """
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
) -> list[AutoencoderGridJob]:
    """Return a job for each crop and each scan of a full-body cohort that the crop can use.

    Scans of the test split have no job, so they are never opened. Scans without a mask have no job
    for the pancreas crop.
    """
    splits = splits_of(cohort)
    return [
        AutoencoderGridJob(
            scan=scan, crop=crop, config=config, folder=folder, hides_names=hides_names
        )
        for crop in config.crops
        for scan in cohort.scans
        if splits[scan.case_id] in READ_SPLITS
        and (crop is not Crop.PANCREAS or scan.findings.mask_box is not None)
    ]


def is_done(job: AutoencoderGridJob) -> bool:
    """Return True if the job's scan has been resampled or has been found unusable."""
    return _reason_file(job).is_file() or all(path.is_file() for path in _files(job))


def put_on_grids(job: AutoencoderGridJob, find_trunk: Callable[[Volume], BoolArray]) -> None:
    """Resample a scan to the grids of all input sizes and write the files.

    If the scan cannot be used, the reason is written instead. ``find_trunk`` returns the trunk mask
    of a volume; it is called for the semi-body crop only.
    """
    paths = _files(job)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        gridded = grid_scan(job.scan, job.config.images(job.crop), find_trunk)
    except ScanError as error:
        leave_out(job, str(error))
        return
    for path, one in zip(paths, gridded, strict=True):
        write_json(path.with_suffix(SPACING_SUFFIX), {"spacing_mm": one.scan.grid_spacing_mm})
        with atomic_write(path) as file, file.open("wb") as stream:
            np.save(stream, np.rint(one.hu).astype(np.int16))


def leave_out(job: AutoencoderGridJob, reason: str) -> None:
    """Write the reason why the scan of a job cannot be used."""
    path = _reason_file(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(without_names(reason, job.scan.case) if job.hides_names else reason)


def gridded_scans(cohort: Cohort, jobs: Sequence[AutoencoderGridJob]) -> GriddedScans:
    """Collect the files of finished jobs, and the excluded scans.

    Raises ``InputError`` unless each crop has a training scan and a validation scan.
    """
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
                f"each crop needs at least one {split} scan",
                seen=f"cohort {cohort.name} has none for {', '.join(empty) or 'any crop'}",
                remedy=f"add scans or leave out the crop{reasons}",
            )
    return GriddedScans(
        training=by_split[Split.TRAIN],
        validation=by_split[Split.VALIDATION],
        exclusions=tuple(exclusions),
        is_phantom=cohort.is_phantom,
    )


def describe_cohort(cohort: Cohort) -> Iterator[str]:
    """Yield a message with the number of scans of each use, and one for each note on the scans."""
    splits = list(splits_of(cohort).values())
    yield (
        f"{len(splits)} scans: {splits.count(Split.TRAIN)} to train on, "
        f"{splits.count(Split.VALIDATION)} to evaluate on, {splits.count(Split.TEST)} kept unread "
        f"for the final report of sweeps; {len(cohort.exclusions)} left out"
    )
    yield from (f"note: {note}" for note in cohort.notes)


def describe_scans(scans: GriddedScans) -> Iterator[str]:
    """Yield a message for each excluded scan, and one for each crop with its number of grids."""
    for exclusion in scans.exclusions:
        yield f"left out {exclusion.case_id}: {exclusion.reason}"
    for crop, paths in scans.training.items():
        n_held_out = len(scans.validation[crop])
        yield f"{crop}: {len(paths)} resampled scans for training, {n_held_out} held out"


def read_hu(path: Path) -> FloatArray:
    """Read a resampled scan into memory as float32 HU, shape (x, y, z)."""
    hu: FloatArray = open_grid(path).astype(np.float32)
    return hu


def spacing_mm_of(path: Path) -> tuple[float, float, float] | None:
    """Return the voxel size of a resampled scan, or None for a scan of an earlier version."""
    file = path.with_suffix(SPACING_SUFFIX)
    if not file.is_file():
        return None
    x_mm, y_mm, z_mm = read_object(file)["spacing_mm"]
    return x_mm, y_mm, z_mm


def open_grid(path: Path) -> NDArray[np.int16]:
    """Open a resampled scan as a memory-mapped array of HU, int16, shape (x, y, z).

    Raises ``InputError`` if the file is damaged. A header that claims more data than the file has
    is rejected before any memory is allocated.
    """
    try:
        grid: NDArray[np.int16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except GRID_ERRORS as error:
        raise InputError(
            "a resampled scan must be a readable .npy file",
            seen=f"reading it failed ({error})",
            place=path,
            remedy="delete the file, so that it is made again",
        ) from error
    if not isinstance(grid, np.ndarray) or grid.dtype != np.int16 or grid.ndim != 3:
        raise InputError(
            "a resampled scan must be an int16 array with 3 axes",
            place=path,
            remedy="delete the file, so that it is made again",
        )
    return grid


def _files(job: AutoencoderGridJob) -> list[Path]:
    return [
        job.folder / "grids" / size / job.crop / f"{job.scan.case_id}.npy"
        for size in job.config.input_sizes
    ]


def _reason_file(job: AutoencoderGridJob) -> Path:
    return _files(job)[0].with_suffix(".txt")
