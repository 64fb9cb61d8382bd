"""List the cases of a folder: a Task07 folder with dataset.json, or an export of DICOM series."""

from pathlib import Path

from ldm.data.cohort.case import Case, Listing, check_case_id
from ldm.data.cohort.mask_labels import DECATHLON, MaskLabels
from ldm.data.cohort.series_masks import find_masks
from ldm.data.cohort.task07 import DATASET_FILE, read_task07
from ldm.data.dicom.folder import find_dicom_series


def list_cases(folder: Path, labels: MaskLabels | None = None) -> Listing:
    """List the cases of a folder without reading any scan.

    ``labels`` says what the labels of masks stand for. None takes the names in ``dataset.json``.

    If the folder has a ``dataset.json``, its cases are listed. Otherwise each folder below it, or
    the folder itself, that directly holds DICOM slices is a case. Its name is its path below
    ``folder``, with "__" between the parts. ``ldm.data.cohort.series_masks`` says where its mask
    may lie.

    Raises InputError if the folder is missing, if it has neither, if ``dataset.json`` is not valid,
    or if a case has a name that cannot be used.
    """
    if not folder.is_dir() or (folder / DATASET_FILE).is_file():
        return read_task07(folder, labels)
    series = {_name(path, folder): path for path in find_dicom_series(folder)}
    if not series:
        return read_task07(folder, labels)  # its error says what is missing
    for case_id, path in series.items():
        check_case_id(case_id, path)
    masks = find_masks(folder, series)
    return Listing(
        folder=folder,
        name=folder.name,
        cases=tuple(
            Case(
                case_id=case_id,
                image=path,
                mask=masks.of_case.get(case_id),
                labels=labels or DECATHLON,
            )
            for case_id, path in series.items()
        ),
        is_phantom=False,
        notes=masks.notes(has_names=True),
        nameless_notes=masks.notes(has_names=False),
    )


def _name(series: Path, folder: Path) -> str:
    """Return the path of a series below ``folder``, with "__" between the parts.

    If the series is ``folder`` itself, this is the name of the folder.
    """
    return "__".join(series.relative_to(folder).parts) or folder.resolve().name
