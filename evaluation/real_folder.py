"""Use a folder of real scans as the reference of one crop, cutting whole scans if necessary."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evaluation.organs.placement import Host
from evaluation.reference import Reference
from evaluation.volume_folder import RealFiles, find_nifti_files, real_files, real_volumes
from ldm.config import Crop
from ldm.data.cohort.cohort import Cohort, Exclusion, Scan, Split
from ldm.data.cohort.dicom_export import list_export
from ldm.data.cohort.layouts import read_layout
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.mask_labels import MaskLabels
from ldm.data.cohort.reading import read_cohort
from ldm.data.cohort.scan_file import read_scan
from ldm.data.cohort.task07 import DATASET_FILE
from ldm.data.geometry.crop import find_box
from ldm.data.geometry.field_of_view import FieldOfView, whole_view
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import BoolArray, Volume
from ldm.errors import InputError


def is_phantom_folder(folder: Path) -> bool:
    """Return True if a folder in the Task07 layout says that its scans are generated phantoms."""
    return (folder / DATASET_FILE).is_file() and list_cases(folder).is_phantom


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCutter:
    """Cuts scans and puts the whole crop on a grid.

    Attributes
    ----------
    crop
        The crop.
    grid
        The shape of the grid in voxels.
    find_trunk
        Finds the trunk of a scan, for the semi-body crop.
    holds_pancreas
        Whether the cube of the semi-body crop must hold the pancreas.
    """

    crop: Crop
    grid: tuple[int, int, int]
    find_trunk: Callable[[Volume], BoolArray]
    holds_pancreas: bool = False

    def cut_all(self, scans: Iterable[Scan]) -> Iterator[tuple[str, Volume]]:
        """Yield the name and the crop of each scan, with one scan in memory at a time."""
        for scan in scans:
            volume = read_scan(scan.case.image)
            yield scan.case_id, to_grid(volume, self._view(scan, volume), self.grid)

    def host(self, scan: Scan) -> Host:
        """Return a scan as a host, with the region that a sample replaces."""
        image = scan.case.image
        return Host(image=image, view=self._view(scan, read_scan(image)))

    def _view(self, scan: Scan, volume: Volume) -> FieldOfView:
        box = find_box(
            self.crop,
            volume,
            mask_box=scan.findings.mask_box,
            margin_mm=0.0,
            find_trunk=self.find_trunk,
            holds_pancreas=self.holds_pancreas,
        )
        return whole_view(box)


def reference_of(
    folder: Path,
    training: Path | None,
    cutter: ScanCutter,
    *,
    salt: bytes | None,
    labels: MaskLabels | None = None,
) -> Reference:
    """Return the reference for samples from a folder of real scans.

    A folder that directly holds NIfTI files, and has no layout of whole scans, has scans that are
    already cut. Any other folder has whole scans, and is read as ``--data`` of a sweep is. They are
    split as in a sweep; validation and training scans are cut by the crop, which is put on the grid
    as a whole. Scans that cannot be used are left out, and the notices say why.

    Parameters
    ----------
    folder
        The folder of real scans.
    training
        A folder of already cut training scans, or None. Not allowed with whole scans.
    cutter
        Cuts whole scans as the samples were cut.
    salt
        If given, scans are named by salted hashes.
    labels
        What the labels of masks stand for; None for what the folder says.

    Raises
    ------
    InputError
        If a folder has no usable scan, if ``training`` has whole scans, or if it is given with a
        folder of whole scans.
    """
    if holds_cut_scans(folder):
        return _cut_reference(folder, training, cutter.crop, salt)
    if training is not None:
        raise InputError(
            "--training goes with a --reference of cropped volumes",
            seen=f"{folder} has whole scans and brings its own training scans",
            remedy="leave --training out",
        )
    cohort = read_cohort(
        list_cases(folder, labels),
        crop=cutter.crop,
        holds_pancreas=cutter.holds_pancreas,
        salt=salt,
    )
    validation = cohort.of(Split.VALIDATION)
    return Reference(
        crop=cutter.crop,
        held_out=partial(cutter.cut_all, validation),
        training=partial(cutter.cut_all, cohort.of(Split.TRAIN)),
        hosts=tuple(map(cutter.host, validation)) if cutter.crop is Crop.PANCREAS else (),
        notices=tuple(_notices(cohort)),
    )


def holds_cut_scans(folder: Path) -> bool:
    """Return whether a folder holds scans that are already cut, as NIfTI files directly in it.

    A folder with a layout of whole scans (``ldm.data.cohort.listing``) does not, even if NIfTI
    files lie directly in it, as those of PANORAMA may.
    """
    return bool(find_nifti_files(folder)) and not (
        (folder / DATASET_FILE).is_file()
        or read_layout(folder, None) is not None
        or list_export(folder, None) is not None
    )


def _cut_reference(
    folder: Path, training: Path | None, crop: Crop, salt: bytes | None
) -> Reference:
    """Return the reference of scans that are already cut."""
    if training is not None and find_nifti_files(training) and not holds_cut_scans(training):
        raise InputError(
            "--training is a folder of cropped NIfTI files",
            seen=f"{training} has a layout of whole scans",
            remedy="crop them first, or give that folder as --reference without --training",
        )
    real = real_files(folder, salt)
    seen = RealFiles(usable=(), exclusions=()) if training is None else real_files(training, salt)
    return Reference(
        crop=crop,
        held_out=partial(real_volumes, real.usable, salt),
        training=partial(real_volumes, seen.usable, salt),
        hosts=(),
        notices=(
            *_left_out(real.exclusions, "reference"),
            *_left_out(seen.exclusions, "training scans"),
        ),
    )


def _notices(cohort: Cohort) -> Iterator[str]:
    """Yield a sentence for each scan that is left out, and for each note on the scans."""
    yield from _left_out(cohort.exclusions, "reference")
    for note in cohort.notes:
        yield f"Note on the reference: {note}."


def _left_out(exclusions: Iterable[Exclusion], place: str) -> Iterator[str]:
    for exclusion in exclusions:
        yield f"Left out of the {place}: {exclusion.case_id}: {exclusion.reason}."
