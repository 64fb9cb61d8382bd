"""Find the masks of DICOM series in an export: DICOM-SEG files, and NIfTI files beside the series.

A DICOM-SEG file may lie anywhere in the export, because it names the series that it was drawn in.
If it names none, it belongs to the series in its own folder.
A NIfTI mask lies in a folder ``masks``, ``labels``, ``labelsTr`` or ``segmentations`` directly in
the export, and has the name of its case. This is the path of the series with "__" between the
parts. If the patient's folder, the first part of the path, holds only this series, its name alone
does too. A mask is a file such as ``p1.nii.gz``, or a folder with a file for each structure.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ldm.data.cohort.expert_mask import pancreas_segments, structure_of
from ldm.data.dicom.export import Export
from ldm.data.dicom.file_kind import FileKind
from ldm.data.dicom.folder import dicom_files
from ldm.data.geometry.nifti_header import SUFFIXES
from ldm.errors import ScanError

Found: TypeAlias = tuple[Path, str | None]  # a mask and the name of its case

MASK_FOLDERS = ("masks", "labels", "labelsTr", "segmentations")
N_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMasks:
    """The masks of an export.

    Attributes
    ----------
    of_case
        The mask of each case that has exactly one, by the name of the case.
    without_case
        Masks that belong to no case.
    surplus
        The masks of each case that has several, so that none of them is used.
    unreadable
        DICOM-SEG files that cannot be read.
    """

    of_case: Mapping[str, Path]
    without_case: tuple[Path, ...]
    surplus: Mapping[str, tuple[Path, ...]]
    unreadable: tuple[Path, ...]

    def notes(self, *, has_names: bool) -> tuple[str, ...]:
        """Return what a reader should know of masks that are not used, with or without names."""
        surplus = [mask for found in self.surplus.values() for mask in found]
        return tuple(
            f"{what}: {len(paths)}{_shown(paths) if has_names else ''}"
            for what, paths in (
                ("masks that belong to no series, which are not used", self.without_case),
                ("masks of a series that has several, of which none is used", surplus),
                ("DICOM-SEG files that cannot be read", self.unreadable),
            )
            if paths
        )


def find_masks(export: Export, root: Path, series: Mapping[str, Path]) -> FoundMasks:
    """Find the masks of the series in the export at ``root``.

    ``series`` has the folders of the series by the names of their cases.
    """
    masks: dict[str, list[Path]] = defaultdict(list)
    without_case = []
    segmentations, unreadable = _segmentations(export, series)
    for mask, case_id in [*segmentations, *_nifti_masks(root, series)]:
        if case_id is None:
            without_case.append(mask)
        else:
            masks[case_id].append(mask)
    return FoundMasks(
        of_case={case_id: found[0] for case_id, found in masks.items() if len(found) == 1},
        without_case=(*without_case, *_stray_files(export, root)),
        surplus={case_id: tuple(found) for case_id, found in masks.items() if len(found) > 1},
        unreadable=tuple(unreadable),
    )


def _segmentations(export: Export, series: Mapping[str, Path]) -> tuple[list[Found], list[Path]]:
    """Return each DICOM-SEG file with its case, which is None if its series is not there.

    Of several files of a series, those that name no pancreas are left out: often there is a file
    for each organ. Files that cannot be read are returned apart.
    """
    files = export.files_of(FileKind.MASKS)
    if not files:
        return [], []
    from ldm.data.dicom.segmentation import read_segmentation_header  # slow to import
    from ldm.data.dicom.slice_file import read_slice_header

    case_of = {}
    for case_id, folder in series.items():
        try:
            case_of[read_slice_header(dicom_files(folder)[0]).tags["SeriesInstanceUID"]] = case_id
        except ScanError:  # the inspection of the series says why
            continue
    found, unreadable = [], []
    for file in files:
        try:
            found.append((file, read_segmentation_header(file)))
        except ScanError:
            unreadable.append(file)
    of_case = [
        (file, header, _case_of(file, header.series, case_of, series)) for file, header in found
    ]
    n_of_case = Counter(case_id for *_, case_id in of_case)
    kept: list[Found] = [
        (file, case_id)
        for file, header, case_id in of_case
        if n_of_case[case_id] == 1 or case_id is None or pancreas_segments(header.names)
    ]
    return kept, unreadable


def _case_of(
    file: Path, uids: Sequence[str], case_of: Mapping[str, str], series: Mapping[str, Path]
) -> str | None:
    """Return the case of a DICOM-SEG file that names the series ``uids``, or None."""
    if uids:
        return next((case_of[uid] for uid in uids if uid in case_of), None)
    return next((case_id for case_id, folder in series.items() if folder == file.parent), None)


def _stray_files(export: Export, root: Path) -> list[Path]:
    """Return the NIfTI files in an export that do not lie in a folder of masks."""
    return [
        path
        for folder, kinds in export.files.items()
        if next(iter(folder.relative_to(root).parts), "") not in MASK_FOLDERS
        for path in kinds
        if path.name.endswith(SUFFIXES)
    ]


def _nifti_masks(root: Path, series: Mapping[str, Path]) -> list[Found]:
    """Return each NIfTI mask beside the series with its case, or None if there is no such case."""
    n_of_patient = Counter(_patient(root, folder) for folder in series.values())
    case_of = {
        _patient(root, folder): case_id
        for case_id, folder in series.items()
        if n_of_patient[_patient(root, folder)] == 1
    }
    case_of |= {case_id: case_id for case_id in series}
    return [
        (path, case_of.get(structure_of(path)))
        for name in MASK_FOLDERS
        for path in _visible(root / name)
        if path.name.endswith(SUFFIXES) or any(_nifti_files(path))
    ]


def _patient(root: Path, folder: Path) -> str:
    """Return the first part of the path of a series below ``root``. Empty for ``root`` itself."""
    return next(iter(folder.relative_to(root).parts), "")


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _nifti_files(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.name.endswith(SUFFIXES)]


def _shown(paths: Sequence[Path]) -> str:
    names = ", ".join(map(str, paths[:N_SHOWN]))
    return f" ({names}{', ...' if len(paths) > N_SHOWN else ''})"
