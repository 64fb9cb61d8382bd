"""List the cases of a folder: of Task07 by dataset.json, or a hospital's export of DICOM series."""

from pathlib import Path

from ldm.data.cohort.case import Case, Listing, check_case_id
from ldm.data.cohort.task07 import DATASET_FILE, read_task07
from ldm.data.dicom.folder import find_dicom_series


def list_cases(folder: Path) -> Listing:
    """List what ``dataset.json`` names or, without one, each folder that holds DICOM slices.

    A series is named by its path below ``folder`` and has no mask. No scan is read. Raises
    InputError if the folder is missing or has neither.
    """
    if not folder.is_dir() or (folder / DATASET_FILE).is_file():
        return read_task07(folder)
    series = find_dicom_series(folder)
    if not series:
        return read_task07(folder)  # its error says what is missing
    cases = tuple(Case(case_id=_name(path, folder), image=path, mask=None) for path in series)
    for case in cases:
        check_case_id(case.case_id, case.image)
    return Listing(folder=folder, name=folder.name, cases=cases, is_phantom=False)


def _name(series: Path, folder: Path) -> str:
    """Return the path below the folder, or the folder's own name if the folder is the series."""
    return "__".join(series.relative_to(folder).parts) or folder.resolve().name
