"""List the cases of a folder: dataset.json, the layout of a public cohort, or DICOM series."""

from pathlib import Path

from ldm.data.cohort.case import Case, Listing, check_case_id
from ldm.data.cohort.layouts import LAYOUTS, read_layout
from ldm.data.cohort.mask_labels import DECATHLON, MaskLabels
from ldm.data.cohort.series_masks import find_masks
from ldm.data.cohort.task07 import DATASET_FILE, read_task07
from ldm.data.dicom.folder import find_dicom_series
from ldm.errors import InputError

DATASET_LAYOUT = (
    f"{DATASET_FILE} with imagesTr and labelsTr (Medical Segmentation Decathlon, nnU-Net)"
)
DICOM_LAYOUT = "folders with the slices of a DICOM series each"


def list_cases(folder: Path, labels: MaskLabels | None = None) -> Listing:
    """List the cases of a folder without reading any scan.

    If the folder has a ``dataset.json``, its cases are listed (``ldm.data.cohort.task07``).
    Otherwise the folder may have the layout of a public cohort (``ldm.data.cohort.layouts``).
    Otherwise each folder below it, or the folder itself, that directly holds DICOM slices is a
    case. Its name is its path below ``folder``, with "__" between the parts.
    ``ldm.data.cohort.series_masks`` says where its mask may lie.

    ``labels`` says what the labels of masks stand for. None takes the names in ``dataset.json`` or
    those of the layout.

    Raises InputError if the folder is missing, if it has no known layout, if ``dataset.json`` is
    not valid, or if a series has a name that cannot be used.
    """
    if not folder.is_dir():
        raise InputError(
            "the scans must be in a folder", seen=f"{folder} is none", remedy="check the path"
        )
    if (folder / DATASET_FILE).is_file():
        return read_task07(folder, labels)
    found = read_layout(folder, labels)
    if found is not None:
        return found
    series = {_name(path, folder): path for path in find_dicom_series(folder)}
    if not series:
        raise _no_layout(folder)
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


def _no_layout(folder: Path) -> InputError:
    """Return the error for a folder whose layout is not known."""
    return InputError(
        "a folder of scans has a known layout",
        seen=f"{folder} has none of these",
        details=[DATASET_LAYOUT, *(layout.description for layout in LAYOUTS), DICOM_LAYOUT],
        remedy="give the folder that directly holds one of them",
    )


def _name(series: Path, folder: Path) -> str:
    """Return the path of a series below ``folder``, with "__" between the parts.

    If the series is ``folder`` itself, this is the name of the folder.
    """
    return "__".join(series.relative_to(folder).parts) or folder.resolve().name
