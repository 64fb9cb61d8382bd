"""The folder layouts of public cohorts that have no ``dataset.json``.

Each layout is recognized by the names of its files and folders:

- TotalSegmentator's data set (doi 10.5281/zenodo.6802613) and AbdomenAtlas
  (github.com/MrGiovanni/AbdomenAtlas): a folder for each case with ``ct.nii.gz`` and a NIfTI file
  for each structure in ``segmentations``. AbdomenAtlas also has ``combined_labels.nii.gz``.
- PanTS (github.com/MrGiovanni/PanTS, download_PanTS_label.sh): the same, with scans in ``ImageTr``
  and ``ImageTe`` and masks in ``LabelTr`` and ``LabelTe``. AbdomenAtlas 3.0 calls the two folders
  ``image_only`` and ``mask_only``.
- nnU-Net (github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md): ``imagesTr`` with
  ``CASE_0000.nii.gz``, and ``labelsTr`` with ``CASE.nii.gz``.
- BTCV (synapse.org, syn3193805): ``img/img0001.nii.gz`` and ``label/label0001.nii.gz``, below
  ``RawData/Training``.
- PANORAMA (github.com/DIAGNijmegen/panorama_labels; scans: doi 10.5281/zenodo.13715870):
  ``PATIENT_STUDY_0000.nii.gz`` in folders of any name, and ``PATIENT_STUDY.nii.gz`` in
  ``manual_labels`` or ``automatic_labels``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ldm.data.cohort.case import Case, Listing, with_notes
from ldm.data.cohort.expert_mask import structure_of
from ldm.data.cohort.found_cases import (
    COMBINED,
    STRUCTURES,
    FoundCases,
    files_in,
    listing_of,
    nifti_named,
    paired_files,
)
from ldm.data.cohort.mask_labels import MaskLabels, note_on_labels
from ldm.data.cohort.permissions import is_open
from ldm.data.cohort.unused_files import IMAGE_ENDINGS, Unused
from ldm.data.geometry.nifti_header import SUFFIXES

CT = "ct"
CHANNEL = "_0000"  # what nnU-Net adds to the name of the first image of a case
NNUNET_FOLDERS = (("imagesTr", "labelsTr"), ("imagesVal", "labelsVal"), ("imagesTs", "labelsTs"))
FOLDERS_APART = (("ImageTr", "LabelTr"), ("ImageTe", "LabelTe"), ("image_only", "mask_only"))
BTCV_FOLDERS = (".", "Training", "Testing", "RawData/Training", "RawData/Testing")
BTCV_LABELS = MaskLabels(pancreas=(11,), tumor=(), other=(*range(1, 11), 12, 13))
PANORAMA_FOLDERS = ("manual_labels", "automatic_labels")
PANORAMA_LABELS = MaskLabels(pancreas=(4, 5), tumor=(1,), other=(2, 3, 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One layout.

    Attributes
    ----------
    description
        Its files and folders, and the cohorts that have it, for messages.
    find
        Returns the cases of a folder, with the masks that lie where the layout has them. There are
        none if the folder does not have this layout.
    labels
        What the labels in a label map stand for. None if that differs between cohorts.
    """

    description: str
    find: Callable[[Path], FoundCases]
    labels: MaskLabels | None = None


def read_layout(folder: Path, labels: MaskLabels | None) -> Listing | None:
    """Return the cases of a folder in one of the known layouts, or None if it has none of them.

    ``labels`` says what the labels of masks stand for. If it is None, the layout decides. Label
    maps whose labels have no names are not used, and a note says so.
    """
    for layout in LAYOUTS:
        found = layout.find(folder)
        if found.cases:
            known = labels or layout.labels
            listing = listing_of(folder, found, labels=known)
            return with_notes(listing, note_on_labels(known)) if known else listing
    return None


def _folder_a_case(folder: Path) -> FoundCases:
    """Find the layout of TotalSegmentator's data set and of AbdomenAtlas."""
    return _case_folders(folder, folder)


def _scans_and_masks_apart(folder: Path) -> FoundCases:
    """Find the layout of PanTS."""
    found = [_case_folders(folder / images, folder / masks) for images, masks in FOLDERS_APART]
    return FoundCases(
        cases=tuple(case for part in found for case in part.cases),
        n_folders_alone=sum(part.n_folders_alone for part in found),
        unused=tuple(one for part in found for one in part.unused),
    )


def _case_folders(images: Path, masks: Path) -> FoundCases:
    """Find a case in each folder of ``images`` with a ``ct.nii.gz``.

    Its mask is the folder of the same name in ``masks``, if that holds masks.
    """
    cases, n_alone, others = [], 0, []
    for place in sorted(path for path in images.glob("[!.]*") if path.is_dir()):
        image, mask = nifti_named(place, CT), masks / place.name
        if image is None:
            n_alone += not (holds_images := _holds_images(place)) and is_open(place)
            others += [place] if holds_images else []
            continue
        has_mask = nifti_named(mask, COMBINED) is not None or files_in(mask / STRUCTURES)
        cases.append(Case(case_id=place.name, image=image, mask=mask if has_mask else None))
    return FoundCases(
        cases=tuple(cases),
        n_folders_alone=n_alone,
        unused=(
            Unused(
                what="NIfTI files outside of the folders of cases, which are not used",
                paths=tuple(files_in(images)),
            ),
            Unused(
                what=f"folders without {CT}.nii.gz whose other images are not used",
                paths=tuple(others),
            ),
        ),
    )


def _holds_images(folder: Path) -> bool:
    """Return whether a folder, or one directly in it, holds images that are no masks."""
    inside = (path for above in ("*", "*/*") for path in folder.glob(above))
    return any(
        path.name.lower().endswith(IMAGE_ENDINGS)
        and path.parent.name != STRUCTURES
        and structure_of(path) != COMBINED
        for path in inside
    )


def _nnunet(folder: Path) -> FoundCases:
    return paired_files(folder, NNUNET_FOLDERS, ending=CHANNEL, suffixes=SUFFIXES)


def _btcv(folder: Path) -> FoundCases:
    """Find BTCV, in its own folder or in that of one of its parts."""
    cases, n_masks_alone = [], 0
    for place in (folder / part for part in BTCV_FOLDERS):
        mask_of = {
            structure_of(file).removeprefix("label"): file for file in files_in(place / "label")
        }
        for file in files_in(place / "img"):
            mask = mask_of.pop(structure_of(file).removeprefix("img"), None)
            cases.append(Case(case_id=structure_of(file), image=file, mask=mask))
        n_masks_alone += len(mask_of)
    return FoundCases(cases=tuple(cases), n_masks_alone=n_masks_alone)


def _panorama(folder: Path) -> FoundCases:
    """Find PANORAMA. Some of its patients have several studies.

    Of a manual and an automatic mask of the same scan, the manual one is used.
    """
    manual, automatic = (
        {
            structure_of(file): file
            for above in (folder, folder / "panorama_labels")
            for file in files_in(above / name)
        }
        for name in PANORAMA_FOLDERS
    )
    mask_of = automatic | manual
    if not mask_of:
        return FoundCases(cases=())
    files = [
        file for above in ("", "*/", "*/*/") for file in folder.glob(f"{above}*{CHANNEL}.nii*")
    ]
    cases = []
    for file in sorted(files):
        case_id = structure_of(file).removesuffix(CHANNEL)
        cases.append(
            Case(
                case_id=case_id,
                image=file,
                mask=mask_of.pop(case_id, None),
                patient=case_id.partition("_")[0],
            )
        )
    return FoundCases(
        cases=tuple(cases),
        n_masks_alone=len(mask_of),
        unused=(
            Unused(
                what="automatic masks of scans that have a manual one, which is used",
                paths=tuple(automatic[case_id] for case_id in sorted(automatic.keys() & manual)),
            ),
        ),
    )


LAYOUTS = (
    Layout(
        description="CASE/ct.nii.gz and CASE/segmentations/pancreas.nii.gz (TotalSegmentator's data"
        " set, AbdomenAtlas)",
        find=_folder_a_case,
    ),
    Layout(
        description="ImageTr/CASE/ct.nii.gz and LabelTr/CASE/segmentations/pancreas.nii.gz (PanTS)",
        find=_scans_and_masks_apart,
    ),
    Layout(
        description="imagesTr/CASE_0000.nii.gz and labelsTr/CASE.nii.gz (nnU-Net)", find=_nnunet
    ),
    Layout(
        description="img/img0001.nii.gz and label/label0001.nii.gz (BTCV)",
        find=_btcv,
        labels=BTCV_LABELS,
    ),
    Layout(
        description="PATIENT_STUDY_0000.nii.gz in any folder, and panorama_labels/manual_labels or"
        " automatic_labels (PANORAMA)",
        find=_panorama,
        labels=PANORAMA_LABELS,
    ),
)
