"""A scan or a sample: an array with its place in the world, and NIfTI in and out.

Arrays are (x, y, z) in RAS+; world coordinates are mm; intensities are HU.
"""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.orientations import (
    OrientationError,
    apply_orientation,
    inv_ornt_aff,
    io_orientation,
)
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ldm.data.intensity import AIR_HU
from ldm.errors import ScanError

FloatArray: TypeAlias = NDArray[np.float32]
LabelArray: TypeAlias = NDArray[np.uint8]
BoolArray: TypeAlias = NDArray[np.bool_]
Affine: TypeAlias = NDArray[np.float64]

MAX_VOXELS = 1024 * 1024 * 2048  # a header that claims more is refused before memory is taken
# What damaged headers and streams make nibabel raise (found by fuzzing).
READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    zlib.error,
    ImageFileError,
    HeaderDataError,
    OrientationError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """HU as float32, axes (x, y, z) in RAS+, and the affine from voxel index to world mm.

    The array may be a view of any memory layout: a file's own, turned.
    """

    array: FloatArray
    affine: Affine

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise ScanError(f"a volume has 3 axes, got shape {self.array.shape}")
        check_affine(self.affine)

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Distance between voxel centers along x, y, z, shape (3,)."""
        return spacing_mm(self.affine)


def spacing_mm(affine: Affine) -> NDArray[np.float64]:
    """Distance in mm between neighbors along each axis of an affine, shape (3,)."""
    lengths: NDArray[np.float64] = np.linalg.norm(affine[:3, :3], axis=0)
    return lengths


def check_affine(affine: Affine) -> None:
    """Raise ScanError unless the affine is finite and takes up room in all three directions."""
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ScanError(
            f"an affine must be finite and invertible, got {affine.tolist()}: "
            "write the header again"
        )


def read_volume(path: Path) -> Volume:
    """Read a NIfTI scan of any orientation as HU in RAS+; raises ScanError naming the file.

    Values under air (-2048, -3024: padding around the scanner's circle) are read as air.
    """
    image = _open(path)
    array, affine = _decode(image, path)
    if image.get_data_dtype().kind == "f" and np.isneginf(array.min()):
        raise ScanError(f"every voxel must be finite, {path} has -inf: write air (-1000 HU) there")
    return Volume(array=np.maximum(array, AIR_HU, out=array), affine=affine)


def read_labels(path: Path) -> tuple[LabelArray, Affine]:
    """Read a NIfTI mask of small whole numbers in RAS+, with its affine."""
    values, affine = _decode(_open(path), path)
    labels = values.astype(np.uint8)
    if not np.array_equal(labels, values):
        raise ScanError(f"a mask holds whole numbers from 0 to 255, {path} does not")
    return labels, affine


def write_volume(path: Path, volume: Volume) -> None:
    """Write HU, rounded to int16, as NIfTI; under a temporary name first, then renamed."""
    limits = np.iinfo(np.int16)
    _write(path, np.rint(volume.array).clip(limits.min, limits.max).astype(np.int16), volume.affine)


def write_labels(path: Path, labels: LabelArray, affine: Affine) -> None:
    """Write a mask as NIfTI, uint8."""
    _write(path, labels, affine)


def _write(path: Path, array: NDArray[np.int16] | LabelArray, affine: Affine) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.to_filename(temporary)
    temporary.replace(path)


def _open(path: Path) -> nib.Nifti1Image:
    """The checked header of a 3D image, voxels not yet read."""
    try:
        image = nib.load(path)
        _check_header(path, image)
    except READ_ERRORS as error:
        raise ScanError(f"{path} cannot be read as NIfTI ({error}): copy it again") from error
    if len(image.shape) != 3 or min(image.shape) < 2:
        raise ScanError(f"a scan has 3 axes of 2 voxels or more, {path} has shape {image.shape}")
    if np.prod(image.shape, dtype=np.int64) > MAX_VOXELS:
        raise ScanError(f"{path} claims {image.shape} voxels, the limit is {MAX_VOXELS} in all")
    try:
        check_affine(image.affine)
    except ScanError as error:
        raise ScanError(f"{path}: {error}") from error
    return image


def _check_header(path: Path, image: nib.Nifti1Image) -> None:
    """Refuse what nibabel mends in silence: no affine, and spacings of 0 or less."""
    if not isinstance(image, nib.Nifti1Image):
        raise ScanError(f"a scan is NIfTI (.nii, .nii.gz), {path} is not: convert it")
    if not (image.header["qform_code"] or image.header["sform_code"]):
        raise ScanError(
            f"a header must say where the scan lies, {path} has neither a qform nor an sform: "
            "convert the scan again from its DICOM files"
        )
    with ImageOpener(path) as stream:
        as_stored = type(image.header).from_fileobj(stream, check=False)
    stored_mm = [float(mm) for mm in as_stored["pixdim"][1:4]]
    if not all(mm > 0 for mm in stored_mm):  # NaN is refused too
        raise ScanError(
            f"spacing must be above 0 mm, {path} has {stored_mm} in its header: "
            "write the header again"
        )


def _decode(image: nib.Nifti1Image, path: Path) -> tuple[FloatArray, Affine]:
    """The voxels of an image and its affine, both turned to RAS+."""
    try:
        stored = image.get_fdata(dtype=np.float32, caching="unchanged")
        to_ras = io_orientation(image.affine)
        array: FloatArray = apply_orientation(stored, to_ras)
        affine: Affine = image.affine @ inv_ornt_aff(to_ras, image.shape)
    except READ_ERRORS as error:
        raise ScanError(f"{path} ends early or is damaged ({error}): copy it again") from error
    return array, affine
