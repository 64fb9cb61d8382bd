"""List the cases of a folder: dataset.json, the layout of a public cohort, or DICOM series."""

from pathlib import Path

from ldm.data.cohort.case import Listing
from ldm.data.cohort.dicom_export import list_export
from ldm.data.cohort.layouts import LAYOUTS, read_layout
from ldm.data.cohort.mask_labels import MaskLabels
from ldm.data.cohort.task07 import DATASET_FILE, read_task07
from ldm.errors import InputError

DATASET_LAYOUT = (
    f"{DATASET_FILE} with imagesTr and labelsTr (Medical Segmentation Decathlon, nnU-Net)"
)
DICOM_LAYOUT = "folders with the slices of a DICOM series each"


def list_cases(folder: Path, labels: MaskLabels | None = None) -> Listing:
    """List the cases of a folder without reading any scan.

    If the folder has a ``dataset.json``, its cases are listed (``ldm.data.cohort.task07``).
    Otherwise the folder may have the layout of a public cohort (``ldm.data.cohort.layouts``).
    Otherwise each folder below it, or the folder itself, that directly holds DICOM slices is a case
    (``ldm.data.cohort.dicom_export``), and ``ldm.data.cohort.series_masks`` finds its mask.

    ``labels`` says what the labels of masks stand for. None takes the names in ``dataset.json`` or
    those of the layout.

    Raises InputError if the folder is missing, if it has no known layout, or if ``dataset.json`` is
    not valid.
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
    export = list_export(folder, labels)
    if export is None:
        raise _no_layout(folder)
    return export


def _no_layout(folder: Path) -> InputError:
    """Return the error for a folder whose layout is not known."""
    return InputError(
        "a folder of scans has a known layout",
        seen=f"{folder} has none of these",
        details=[DATASET_LAYOUT, *(layout.description for layout in LAYOUTS), DICOM_LAYOUT],
        remedy="give the folder that directly holds one of them",
    )
