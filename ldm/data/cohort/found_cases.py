"""Find cases by the names of their files, for folders whose files no ``dataset.json`` lists."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ldm.data.cohort.case import BadEntry, Case, Listing, check_case_id, notes_of_links
from ldm.data.cohort.expert_mask import structure_of
from ldm.data.cohort.mask_labels import DECATHLON, OPTION_LAYOUT, MaskLabels
from ldm.data.cohort.permissions import closed_folders, is_open, require_open
from ldm.data.cohort.unused_files import Unused, notes_on, of_other_formats
from ldm.data.geometry.nifti_header import SUFFIXES
from ldm.errors import InputError

CLOSED = "folders that this user may not open, whose scans and masks are not used"
COMBINED, STRUCTURES = "combined_labels", "segmentations"  # in the folder of the masks of a case


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCases:
    """The cases that were found in a folder.

    Attributes
    ----------
    cases
        The cases. The mask of a case may be a folder that holds a label map ``combined_labels`` or
        a folder ``segmentations`` with a file for each structure.
    n_masks_alone
        Number of masks without a scan.
    n_folders_alone
        Number of folders that look like those of cases, but have no scan.
    n_other_images
        Number of images that are not used, because others in their folder have the name of one of
        the channels of nnU-Net.
    unused
        Further files and folders that are not used.
    """

    cases: tuple[Case, ...]
    n_masks_alone: int = 0
    n_folders_alone: int = 0
    n_other_images: int = 0
    unused: tuple[Unused, ...] = ()


def listing_of(
    folder: Path, found: FoundCases, *, labels: MaskLabels | None, name: str | None = None
) -> Listing:
    """Return the listing of the cases that were found in a folder.

    ``labels`` says what the labels in label maps stand for. If that is not known, label maps are
    not used. ``name`` is that of the cohort, by default that of the folder.
    """
    kept, bad_entries, n_unnamed = [], [], 0
    for index, case in enumerate(found.cases):
        try:
            _check_inside(folder, case)
        except InputError as error:
            bad_entries.append(BadEntry(place=f"scan[{index}]", error=error))
            continue
        mask = _mask_of(case, labels)
        n_unnamed += mask is None and case.mask is not None
        kept.append(replace(case, mask=mask, labels=labels or DECATHLON))
    notes = tuple(
        f"{what}: {n}"
        for what, n in (
            (
                "masks whose labels have no names, which are not used without --labels such as"
                f" {OPTION_LAYOUT}",
                n_unnamed,
            ),
            ("masks without a scan, which are not used", found.n_masks_alone),
            ("folders without a scan", found.n_folders_alone),
            ("images of other channels, which are not used", found.n_other_images),
        )
        if n
    )
    closed = Unused(what=CLOSED, paths=tuple(closed_folders(folder)))
    unused = (*found.unused, closed)
    return Listing(
        folder=folder,
        name=name or folder.resolve().name,
        cases=tuple(kept),
        is_phantom=False,
        bad_entries=tuple(bad_entries),
        notes=(*notes_of_links(folder), *notes, *notes_on(unused, folder, has_names=True)),
        nameless_notes=(
            *notes_of_links(folder, has_names=False),
            *notes,
            *notes_on(unused, folder, has_names=False),
        ),
    )


def paired_files(
    folder: Path, pairs: Sequence[tuple[str, str]], *, ending: str, suffixes: Sequence[str]
) -> FoundCases:
    """Return a case for each image in folders of images, with the mask of its name.

    Parameters
    ----------
    folder
        The folder that holds the others.
    pairs
        The names of each folder of images and of its folder of masks.
    ending
        What the name of an image has after that of its case, such as ``_0000``. If no image in a
        folder has it, images are named as their cases are.
    suffixes
        Suffixes of the files.
    """
    cases, n_masks_alone, n_other_images, unused = [], 0, 0, []
    for images, masks in pairs:
        files = files_in(folder / images, suffixes)
        with_ending = [file for file in files if structure_of(file).endswith(ending)]
        mask_of = {structure_of(file): file for file in files_in(folder / masks, suffixes)}
        n_other_images += len(files) - len(with_ending or files)
        for file in with_ending or files:
            case_id = structure_of(file).removesuffix(ending)
            cases.append(Case(case_id=case_id, image=file, mask=mask_of.pop(case_id, None)))
        n_masks_alone += len(mask_of)
        unused.append(of_other_formats(folder / images))
    return FoundCases(
        cases=tuple(cases),
        n_masks_alone=n_masks_alone,
        n_other_images=n_other_images,
        unused=tuple(unused),
    )


def files_in(folder: Path, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Return the files of these suffixes directly in a folder, sorted by name.

    Empty if the folder does not exist or this user may not open it. Names that begin with a dot are
    left out.
    """
    if not is_open(folder):
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith(tuple(suffixes)) and not path.name.startswith(".")
    )


def nifti_named(folder: Path, name: str) -> Path | None:
    """Return the NIfTI file of a name in a folder, or None if there is none that can be seen."""
    if not is_open(folder):
        return None
    paths = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    return next((path for path in paths if path.exists()), None)


def _mask_of(case: Case, labels: MaskLabels | None) -> Path | None:
    """Return the mask of a case that can be read, or None.

    In a folder, the label map is used if its labels are known. Otherwise the folder of structures
    is used, because the names of its files are those of the structures.
    """
    if case.mask is None or not case.mask.is_dir():
        return case.mask if labels is not None else None
    combined = nifti_named(case.mask, COMBINED)
    if combined is not None and labels is not None:
        return combined
    structures = case.mask / STRUCTURES
    return structures if files_in(structures) else None


def _check_inside(folder: Path, case: Case) -> None:
    """Raise InputError if a file of a case links out of the folder, or if it cannot be used.

    It cannot be used if its name cannot, or if this user may not open it.
    """
    check_case_id(case.case_id, case.image)
    for path in (case.image, case.mask):
        if path is None:
            continue
        top = folder / path.relative_to(folder).parts[0]  # may be a link to another disk
        if not path.resolve().is_relative_to(top.resolve()):
            raise InputError(
                "a scan and its mask must lie in their folder",
                seen=f"{path} links out of it",
                remedy="copy the file there",
            )
        require_open(path)
