"""A folder of real scans as the reference of one crop: whole scans are cut, grids are taken."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from evaluation.organs.placement import Host
from evaluation.reference import Reference
from evaluation.volume_folder import nifti_files, volumes_in
from ldm.config import Crop
from ldm.data.cohort.cohort import Scan, Split, read_cohort
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
    """The reference that a folder gives.

    In the Task07 layout (whole scans): its validation scans, cut by the crop and shown whole on
    ``grid``, with its training scans, split as a sweep splits them. Otherwise its NIfTI files as
    they are, for they are cut already, with those of ``training``. With ``salt`` its scans are
    known by salted hashes.
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
            f"--training goes with a --reference of volumes that are cut, {folder} has whole scans "
            "in the Task07 layout and brings its own training scans: leave it out"
        )
    cohort = read_cohort(folder, crop=crop, salt=salt)
    cutter = _Cutter(crop, grid, find_trunk)
    validation = cohort.of(Split.VALIDATION)
    return Reference(
        crop=crop,
        held_out=partial(cutter.cut_all, validation),
        training=partial(cutter.cut_all, cohort.of(Split.TRAIN)),
        hosts=tuple(map(cutter.host, validation)) if crop is Crop.PANCREAS else (),
    )


class _Cutter:
    """Shows the crop of a scan whole on a grid."""

    def __init__(self, crop: Crop, grid: Grid, find_trunk: FindTrunk) -> None:
        self._crop, self._grid, self._find_trunk = crop, grid, find_trunk

    def cut_all(self, scans: Iterable[Scan]) -> Iterator[tuple[str, Volume]]:
        """Each scan's crop, one in memory at a time."""
        for scan in scans:
            volume = read_scan(scan.image)
            yield scan.case_id, to_grid(volume, self._view(scan, volume), self._grid)

    def host(self, scan: Scan) -> Host:
        """Where a sample goes into a scan."""
        return Host(image=scan.image, view=self._view(scan, read_scan(scan.image)))

    def _view(self, scan: Scan, volume: Volume) -> FieldOfView:
        box = find_box(
            self._crop,
            volume,
            mask_box=scan.mask_box,
            margin_mm=0.0,
            find_trunk=self._find_trunk,
        )
        return whole_view(box)
