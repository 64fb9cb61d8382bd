"""A folder of real scans as the reference of one crop: whole scans are cropped, crops are read."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from evaluation.organs.placement import Host
from evaluation.reference import Reference
from evaluation.volume_folder import nifti_files, volumes_in
from ldm.config import Crop
from ldm.data.cohort.cohort import Scan, Split
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.reading import read_cohort
from ldm.data.cohort.scan_file import read_scan
from ldm.data.cohort.task07 import DATASET_FILE
from ldm.data.geometry.crop import find_box
from ldm.data.geometry.field_of_view import FieldOfView, whole_view
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import BoolArray, Volume
from ldm.errors import InputError

FindTrunk = Callable[[Volume], BoolArray]
Grid = tuple[int, int, int]


def reference_of(
    folder: Path,
    training: Path | None,
    *,
    crop: Crop,
    grid: Grid,
    find_trunk: FindTrunk,
    salt: bytes | None,
) -> Reference:
    """Make the reference from a folder of whole scans, or from one of volumes cropped already.

    A folder in the Task07 layout holds whole scans. They are split as in a sweep, and each crop is
    resampled to ``grid`` in full; the validation scans are the held-out ones. Of any other folder
    the NIfTI files are taken as they are, with those of ``training``. With ``salt`` scans are named
    by salted hashes. Raises InputError if ``training`` is given for whole scans.
    """
    if not (folder / DATASET_FILE).is_file():
        nifti_files(folder)
        return Reference(
            crop=crop,
            held_out=partial(volumes_in, folder, salt),
            training=partial(volumes_in, training, salt) if training else tuple,
            hosts=(),
        )
    if training is not None:
        raise InputError(
            "--training goes with a --reference of cropped volumes",
            seen=f"{folder} has whole scans in the Task07 layout and brings its own training scans",
            remedy="leave --training out",
        )
    cohort = read_cohort(list_cases(folder), crop=crop, salt=salt)
    cutter = _Cutter(crop, grid, find_trunk)
    validation = cohort.of(Split.VALIDATION)
    return Reference(
        crop=crop,
        held_out=partial(cutter.cut_all, validation),
        training=partial(cutter.cut_all, cohort.of(Split.TRAIN)),
        hosts=tuple(map(cutter.host, validation)) if crop is Crop.PANCREAS else (),
    )


class _Cutter:
    """Resamples the whole crop of a scan to a grid."""

    def __init__(self, crop: Crop, grid: Grid, find_trunk: FindTrunk) -> None:
        self._crop, self._grid, self._find_trunk = crop, grid, find_trunk

    def cut_all(self, scans: Iterable[Scan]) -> Iterator[tuple[str, Volume]]:
        """Yield each scan's name and crop; one is in memory at a time."""
        for scan in scans:
            volume = read_scan(scan.case.image)
            yield scan.case_id, to_grid(volume, self._view(scan, volume), self._grid)

    def host(self, scan: Scan) -> Host:
        """Return where samples are put into a scan."""
        image = scan.case.image
        return Host(image=image, view=self._view(scan, read_scan(image)))

    def _view(self, scan: Scan, volume: Volume) -> FieldOfView:
        box = find_box(
            self._crop,
            volume,
            mask_box=scan.findings.mask_box,
            margin_mm=0.0,
            find_trunk=self._find_trunk,
        )
        return whole_view(box)
