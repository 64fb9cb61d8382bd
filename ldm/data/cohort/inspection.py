"""Inspect a scan and its mask, to learn whether the scan is usable or why it is not."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ldm.config import Crop
from ldm.data.cohort.case import Case
from ldm.data.cohort.expert_mask import (
    ExpertMask,
    MaskForm,
    check_same_place,
    mask_form,
    read_expert_mask,
)
from ldm.data.cohort.file_bytes import hash_checked
from ldm.data.cohort.mask_extent import notes_on_extent, require_long_enough
from ldm.data.cohort.mask_labels import OPTION_LAYOUT, MaskLabels
from ldm.data.cohort.mask_tissue import note_on_tissue, require_soft_tissue, soft_tissue_share
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.body_region import BodyRegion, body_region
from ldm.data.geometry.box import VoxelBox
from ldm.data.geometry.crop import pancreas_box
from ldm.data.geometry.hounsfield import require_finite, require_hu
from ldm.data.geometry.lost_slices import require_measured_slices
from ldm.data.geometry.slice_order import require_ordered_slices
from ldm.data.geometry.volume import BoolArray, Volume
from ldm.errors import ScanError

if TYPE_CHECKING:
    from ldm.data.dicom.identity import SeriesIdentity

DIGESTED_HU = (-1000, 2000)  # beyond, programs pad and cut in different ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a cohort keeps of a scan that passed inspection.

    Attributes
    ----------
    image_sha256
        SHA-256 of the bytes of the image.
    sha256
        SHA-256 of the bytes of the image and the mask.
    voxels_sha256
        SHA-256 of the voxels in whole HU, in RAS+. A scan keeps it if it is saved in another data
        type, compression or orientation, or as NIfTI instead of DICOM.
    patient
        A hash that identifies the patient of a DICOM series. None for NIfTI.
    study
        A hash that identifies the study of a DICOM series. None for NIfTI.
    shape_voxels, spacing_mm
        Number of voxels and voxel size along x, y and z in RAS+.
    mask_box
        The voxels of the pancreas and its tumor, as a half-open box [low, high). None if there is
        no mask or if it has neither.
    notes
        What a reader should know of how the scan was read. No note names a file.
    region
        What the scan shows of a body. None if it was not measured.
    """

    image_sha256: str
    sha256: str
    patient: str | None
    shape_voxels: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    mask_box: VoxelBox | None
    study: str | None = None
    voxels_sha256: str | None = None
    notes: tuple[str, ...] = ()
    region: BodyRegion | None = None


def inspect_case(case: Case) -> Findings:
    """Read the image and the mask of a case completely, check them, and return what was found.

    A listed mask is always checked, even if the crop does not need one. ``reason_against`` tells
    whether a crop can use the findings. Raises ScanError if no crop could use the case.
    """
    digest = hashlib.sha256()
    hash_checked(case.image, "image", digest)
    image_sha256 = digest.hexdigest()
    scan = _read_checked(case.image)
    mask_box: VoxelBox | None = None
    notes: tuple[str, ...] = ()
    if case.mask is not None:
        hash_checked(case.mask, "mask", digest)
        mask = _checked_mask(case.mask, case.labels, case.image, scan)
        share = soft_tissue_share(scan.array[mask.organ])
        require_soft_tissue(share, case.mask)
        mask_box = bounding_box(mask.organ)
        notes = (
            *note_on_tissue(share),
            *notes_on_extent(mask.organ, mask_box, scan.spacing_mm, has_pancreas=mask.has_pancreas),
        )
    n_x, n_y, n_z = scan.array.shape
    x_mm, y_mm, z_mm = scan.spacing_mm.tolist()
    series = _series(case.image)
    return Findings(
        image_sha256=image_sha256,
        sha256=digest.hexdigest(),
        patient=None if series is None else series.patient,
        study=None if series is None else series.study,
        voxels_sha256=_voxels_digest(scan),
        notes=(*(() if series is None else series.notes((x_mm, y_mm, z_mm))), *notes),
        shape_voxels=(n_x, n_y, n_z),
        spacing_mm=(x_mm, y_mm, z_mm),
        mask_box=mask_box,
        region=body_region(scan),
    )


def inspect_or_reason(case: Case) -> Findings | str:
    """Inspect a case. If it cannot be used, return the reason instead of raising ScanError.

    Worker processes use it, so that one bad scan does not stop the others.
    """
    try:
        return inspect_case(case)
    except ScanError as error:
        return str(error)


def reason_without_mask(case: Case, crop: Crop, *, holds_pancreas: bool = False) -> str | None:
    """Return why a crop that needs a mask cannot use a case for which none is listed.

    The crop ``pancreas`` needs one, and the crop ``semi-body`` if its cube ``holds_pancreas``. None
    if the crop needs no mask or if one is listed. No file is read.
    """
    if not _needs_mask(crop, holds_pancreas) or case.mask is not None:
        return None
    other = _other_crop(holds_pancreas)
    if case.surplus_masks:
        names = ", ".join(str(mask) for mask in case.surplus_masks)
        return (
            f"crop {crop} needs one mask, {case.image} has {len(case.surplus_masks)} ({names}):"
            f" keep one of them, {other}"
        )
    if case.image.is_dir():
        return (
            f"crop {crop} needs a mask, none that can be read belongs to the series in"
            f" {case.image}: add a DICOM-SEG file that names the series, or a NIfTI mask, {other}"
        )
    return (
        f"crop {crop} needs a mask, {case.image} has none: add it where its folder has masks, which"
        f" in dataset.json is under 'training', {other}"
    )


def reason_against(
    case: Case, findings: Findings, crop: Crop, *, holds_pancreas: bool = False
) -> str | None:
    """Return why a crop cannot use a case that passed inspection, or None if it can.

    See ``reason_without_mask`` for ``holds_pancreas``.
    """
    if not _needs_mask(crop, holds_pancreas):
        return None
    if findings.mask_box is not None:
        return _reason_against_box(case, findings.mask_box, findings.spacing_mm, crop)
    other = _other_crop(holds_pancreas)
    if case.mask is not None and mask_form(case.mask) is not MaskForm.LABEL_MAP:
        return (
            f"crop {crop} needs a mask of the pancreas, {case.mask} names no structure after it or"
            f" has it nowhere: {_remedy_by_form(case.mask)}, {other}"
        )
    if not case.labels.pancreas:
        return (
            f"crop {crop} needs a mask of the pancreas, no label of {case.mask} has its name in"
            f" dataset.json: pass --labels, such as {OPTION_LAYOUT}, {other}"
        )
    return (
        f"crop {crop} needs a mask of the pancreas, {case.mask} has none of its labels"
        f" ({case.labels}): draw it, {other}"
    )


def _reason_against_box(
    case: Case, mask_box: VoxelBox, spacing_mm: tuple[float, float, float], crop: Crop
) -> str | None:
    """Return why the box of a mask is too small for a crop, or None if it is not."""
    low, high = np.array(mask_box)
    if (high - low == 1).all():
        return f"a mask has more than one voxel, {case.mask} has one: draw it again or leave it out"
    if crop is not Crop.PANCREAS:
        return None
    try:
        pancreas_box(np.diag([*spacing_mm, 1.0]), mask_box, margin_mm=0.0)
    except ScanError as error:
        return f"{error.rule}, {error.seen} ({case.mask}): {error.remedy}"
    return None


def _needs_mask(crop: Crop, holds_pancreas: bool) -> bool:
    return crop is Crop.PANCREAS or (crop is Crop.SEMI_BODY and holds_pancreas)


def _other_crop(holds_pancreas: bool) -> str:
    if holds_pancreas:
        return "or take the largest cube, whether or not it holds the pancreas"
    return f"or take crop {Crop.FULL_BODY} or {Crop.SEMI_BODY}"


def _remedy_by_form(mask: Path) -> str:
    if mask_form(mask) is MaskForm.STRUCTURES:
        return "name its file pancreas.nii.gz"
    return f"pass the number of its segment as --labels, such as {OPTION_LAYOUT}"


def bounding_box(mask: BoolArray) -> VoxelBox | None:
    """Return the box of all voxels of a mask, as half-open indices [low, high). None if empty."""
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        (occupied,) = np.nonzero(mask.any(axis=others))
        if occupied.size == 0:
            return None
        box.append((int(occupied[0]), int(occupied[-1]) + 1))
    (x_low, x_high), (y_low, y_high), (z_low, z_high) = box
    return (x_low, y_low, z_low), (x_high, y_high, z_high)


def _series(path: Path) -> "SeriesIdentity | None":
    if not path.is_dir():
        return None
    from ldm.data.dicom.identity import identify_series  # pydicom takes half a second to import

    return identify_series(path)


def _read_checked(path: Path) -> Volume:
    scan = read_scan(path)
    require_long_enough(scan.array.shape, scan.spacing_mm, path)
    require_finite(scan.array, path)
    require_hu(scan.array, path)
    require_measured_slices(scan.array, path)
    require_ordered_slices(scan.array, path)
    return scan


def _voxels_digest(scan: Volume) -> str:
    """Return a hash of the voxels. Values outside of -1000 to 2000 HU count as these ends."""
    whole_hu = np.clip(scan.array, *DIGESTED_HU).round().astype(np.int16)
    return hashlib.sha256(f"{scan.array.shape}".encode() + whole_hu.tobytes()).hexdigest()


def _checked_mask(path: Path, labels: MaskLabels, image: Path, scan: Volume) -> ExpertMask:
    with np.errstate(invalid="ignore"):  # NaN raises an error
        mask = read_expert_mask(path, labels, image)
    if mask.organ.shape != scan.array.shape:
        raise ScanError(
            "a mask has the shape of its image",
            seen=f"{path} has {mask.organ.shape} and {image} {scan.array.shape}",
            remedy="resample the mask to the image",
        )
    check_same_place(path, mask.affine, image, scan.affine, scan.array.shape)
    return mask
