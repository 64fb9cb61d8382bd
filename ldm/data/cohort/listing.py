"""The cases of a folder: a Task07 folder, or what a hospital exports, one DICOM series a folder."""

from pathlib import Path

from ldm.data.cohort.case_id import check_case_id
from ldm.data.cohort.task07 import DATASET_FILE, Case, Task07Folder, read_task07
from ldm.data.dicom.folder import find_dicom_series


def list_cases(folder: Path) -> Task07Folder:
    """What ``dataset.json`` lists or, where there is none, each folder of DICOM slices inside.

    A case of the latter is named by its path and has no mask. Raises InputError when the folder
    is neither.
    """
    if not folder.is_dir() or (folder / DATASET_FILE).is_file():
        return read_task07(folder)
    series = find_dicom_series(folder)
    if not series:
        return read_task07(folder)  # which says what is missing
    cases = tuple(Case(case_id=_name(path, folder), image=path, mask=None) for path in series)
    for case in cases:
        check_case_id(case.case_id, case.image)
    return Task07Folder(name=folder.name, cases=cases, is_phantom=False)


def _name(series: Path, folder: Path) -> str:
    """The path below the folder, or the folder's own name where that is the series."""
    return "__".join(series.relative_to(folder).parts) or folder.resolve().name
