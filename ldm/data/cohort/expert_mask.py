"""Read the expert mask of a scan: where the pancreas and its tumors are.

A mask comes in one of three forms: a NIfTI file with a number for each structure, a folder with a
NIfTI file for each structure, or a DICOM-SEG file with named segments.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from ldm.data.cohort.mask_labels import BACKGROUND, OPTION_LAYOUT, MaskLabels, kind_of, kinds_of
from ldm.data.cohort.scan_file import scan_grid
from ldm.data.dicom.file_kind import is_segmentation
from ldm.data.geometry.nifti_header import SUFFIXES
from ldm.data.geometry.volume import Affine, BoolArray, read_labels, spacing_mm
from ldm.errors import ScanError

PLACE_TOLERANCE = 0.1  # how far a voxel of a mask may be off, in voxels: less is rounding


class MaskForm(StrEnum):
    """How a mask says what is where."""

    LABEL_MAP = "label map"
    STRUCTURES = "structures"
    SEGMENTATION = "segmentation"


def mask_form(path: Path) -> MaskForm:
    """Return the form of a mask. A file that does not exist counts as a label map."""
    if path.is_dir():
        return MaskForm.STRUCTURES
    if path.name.endswith(SUFFIXES) or not is_segmentation(path):
        return MaskForm.LABEL_MAP
    return MaskForm.SEGMENTATION


def mask_files(path: Path) -> list[Path]:
    """Return the files of a mask that say where the pancreas and its tumors are, sorted by name.

    In a folder of structures, those are the files that are named after the pancreas, a part of it
    or a tumor of it. A file such as ``tumor.nii.gz`` counts only if no other organ has a file.
    """
    if not path.is_dir():
        return [path]
    files = [
        file
        for file in path.iterdir()
        if file.name.endswith(SUFFIXES) and not file.name.startswith(".")
    ]
    kinds = kinds_of([structure_of(file) for file in files])
    return sorted(file for file in files if kinds[structure_of(file)] != "other")


def structure_of(file: Path) -> str:
    """Return the name of the structure in a file of a folder of structures."""
    return file.name.removesuffix(".gz").removesuffix(".nii")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertMask:
    """Where a mask has the pancreas or its tumor.

    ``organ`` has shape (x, y, z) in RAS+. ``has_pancreas`` says whether the pancreas itself is in
    it, and not only a tumor.
    """

    organ: BoolArray
    affine: Affine
    has_pancreas: bool


def read_pancreas(path: Path, labels: MaskLabels, image: Path) -> tuple[BoolArray, Affine]:
    """Return the parts ``organ`` and ``affine`` of what ``read_expert_mask`` returns."""
    mask = read_expert_mask(path, labels, image)
    return mask.organ, mask.affine


def read_expert_mask(path: Path, labels: MaskLabels, image: Path) -> ExpertMask:
    """Read where a mask has the pancreas or its tumor.

    ``image`` is the scan of the mask. ``labels`` says what the numbers in a label map stand for. It
    counts for the numbers of segments too if the user named them; otherwise the names of the
    segments decide, as the names of the files do in a folder of structures.

    Raises ScanError if the mask cannot be read, if it has a label that is not known, or if its
    parts lie in different places.
    """
    form = mask_form(path)
    if form is MaskForm.LABEL_MAP:
        return _in_label_map(path, labels)
    if form is MaskForm.STRUCTURES:
        return _in_structures(path, image)
    return _in_segmentation(path, labels, image)


def pancreas_segments(names: Mapping[int, tuple[str, str]]) -> set[int]:
    """Return the numbers of the segments that are the pancreas, a part of it or a tumor of it.

    ``names`` has the label and the meaning of the code of each segment; see ``is_pancreas``. A
    tumor without the name of an organ counts only if no other organ has a segment.
    """
    kinds = kinds_of([label for label, _ in names.values()])
    return {
        number
        for number, (label, meaning) in names.items()
        if is_pancreas(label, meaning)
        and (kinds[label] != "other" or kind_of(meaning) == "pancreas")
    }


def is_pancreas(label: str, meaning: str) -> bool:
    """Return whether a segment is the pancreas, a part of it or a tumor of it.

    ``label`` is the name that its author gave, ``meaning`` that of its code. A code such as Mass
    does not say of which organ, so of the codes only those of the pancreas count.
    """
    return kind_of(label) != "other" or kind_of(meaning) == "pancreas"


def check_same_place(
    path: Path, affine: Affine, image: Path, grid: Affine, shape: Iterable[int]
) -> None:
    """Raise ScanError if a corner of a mask lies elsewhere than that of its image.

    ``affine`` is that of the mask, ``grid`` that of the image, and ``shape`` that of both.
    """
    ends = np.array([(0, n - 1) for n in shape], np.float64)
    corners = np.stack([*np.meshgrid(*ends, indexing="ij"), np.ones((2, 2, 2))], axis=-1)
    off_mm = float(np.linalg.norm(corners @ (affine - grid).T, axis=-1).max())
    allowed_mm = PLACE_TOLERANCE * float(spacing_mm(grid).min())
    if off_mm > allowed_mm:
        raise ScanError(
            "a mask has the affine of its image",
            seen=f"a corner of {path} is {off_mm:.4g} mm off that of {image}"
            f" ({allowed_mm:.4g} mm allowed)",
            remedy="resample the mask to the image",
        )


def _in_label_map(path: Path, labels: MaskLabels) -> ExpertMask:
    values, affine = read_labels(path)
    organ = (*labels.pancreas, *labels.tumor)
    present = set(np.unique(values).tolist())
    unknown = sorted(present - {BACKGROUND, *organ, *labels.other})
    if unknown:
        raise ScanError(
            "each label of a mask is named",
            seen=f"{path} has {', '.join(map(str, unknown))}, known are {labels}",
            remedy="name it under 'labels' in dataset.json, or pass --labels, such as"
            f" {OPTION_LAYOUT}",
        )
    return ExpertMask(
        organ=np.isin(values, organ),
        affine=affine,
        has_pancreas=not present.isdisjoint(labels.pancreas),
    )


def _in_structures(folder: Path, image: Path) -> ExpertMask:
    """Return where any of the files has a value above 0."""
    shape, affine = scan_grid(image)
    organ, has_pancreas = np.zeros(shape, bool), False
    for file in mask_files(folder):
        values, place = read_labels(file)
        if values.shape != shape:
            raise ScanError(
                "a mask has the shape of its image",
                seen=f"{file} has {values.shape} and {image} {shape}",
                remedy="resample the mask to the image",
            )
        check_same_place(file, place, image, affine, shape)
        inside = values != BACKGROUND
        has_pancreas |= kind_of(structure_of(file)) == "pancreas" and bool(inside.any())
        organ |= inside
    return ExpertMask(organ=organ, affine=affine, has_pancreas=has_pancreas)


def _in_segmentation(path: Path, labels: MaskLabels, image: Path) -> ExpertMask:
    """Return where a DICOM-SEG file has the pancreas or its tumor, on the grid of the scan."""
    from ldm.data.dicom.segmentation import (  # highdicom takes most of a second to import
        read_segmentation_header,
        read_segments,
    )

    shape, grid = scan_grid(image)
    names = read_segmentation_header(path).names
    if labels.is_given:
        numbers = {*labels.pancreas, *labels.tumor} & set(names)
        has_pancreas = not numbers.isdisjoint(labels.pancreas)
    else:
        numbers = pancreas_segments(names)
        has_pancreas = any("pancreas" in map(kind_of, names[number]) for number in numbers)
    organ = np.zeros(shape, bool)
    if not numbers:
        return ExpertMask(organ=organ, affine=grid, has_pancreas=False)
    inside, affine = read_segments(path, numbers)
    first = np.rint(np.linalg.solve(grid, affine[:, 3])[:3]).astype(int)
    moved = grid.copy()
    moved[:3, 3] += grid[:3, :3] @ first
    check_same_place(path, affine, image, moved, inside.shape)
    if (first < 0).any() or (first + inside.shape > shape).any():
        raise ScanError(
            "a mask lies inside its image",
            seen=f"{path} reaches beyond {image}",
            remedy="export it again from the series that it was drawn in",
        )
    part = tuple(slice(low, low + n) for low, n in zip(first, inside.shape, strict=True))
    organ[part] = inside
    return ExpertMask(organ=organ, affine=grid, has_pancreas=has_pancreas)
