"""A scan or a sample: HU with their place in the world, read from and written to NIfTI.

Arrays are (x, y, z) in RAS+; world coordinates are mm; intensities are HU.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.orientations import OrientationError
from numpy.typing import NDArray

from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.nifti_header import Header, affine_mm, read_header
from ldm.data.geometry.orientation import to_ras
from ldm.errors import ScanError
from ldm.files.atomic_write import atomic_write

FloatArray: TypeAlias = NDArray[np.float32]
LabelArray: TypeAlias = NDArray[np.uint8]
BoolArray: TypeAlias = NDArray[np.bool_]
Affine: TypeAlias = NDArray[np.float64]

# Limits of a scan. Without them, one with a wrong spacing could take any memory when resampled.
MAX_LENGTH_MM = 4000.0
MAX_VOLUME_MM3 = 4e9
MAX_LABEL = 255
LABEL_TOLERANCE = 1e-3  # a slope in the header may leave 0.9999999 of 1
# What damaged streams make nibabel raise (found by fuzzing).
READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    zlib.error,
    OrientationError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """HU of shape (x, y, z) in RAS+, and the affine from voxel index to world mm.

    The array may have any memory layout, because it is often a view of what a file holds. Raises
    ScanError if the array does not have 3 axes, or if the affine is not finite and invertible.
    """

    array: FloatArray
    affine: Affine

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise ScanError("a volume has 3 axes", seen=f"got shape {self.array.shape}")
        check_affine(self.affine)

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Distance between voxel centers along x, y, z, shape (3,)."""
        return spacing_mm(self.affine)


def spacing_mm(affine: Affine) -> NDArray[np.float64]:
    """Return the distance in mm between neighbors along each axis of an affine, shape (3,)."""
    lengths: NDArray[np.float64] = np.linalg.norm(affine[:3, :3], axis=0)
    return lengths


def check_affine(affine: Affine) -> None:
    """Raise ScanError unless the affine is finite and invertible."""
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ScanError(
            "an affine must be finite and invertible",
            seen=f"got {affine.tolist()}",
            remedy="write the header again",
        )


def check_extent(shape: tuple[int, ...], affine: Affine) -> None:
    """Raise ScanError if a scan is larger than any scanner, which means that its spacing is wrong.

    ``shape`` is its number of voxels along each axis.
    """
    lengths_mm = np.array(shape, np.float64) * spacing_mm(affine)
    if lengths_mm.max() > MAX_LENGTH_MM or lengths_mm.prod() > MAX_VOLUME_MM3:
        raise ScanError(
            f"a scan spans at most {MAX_LENGTH_MM:g} mm along an axis and "
            f"{MAX_VOLUME_MM3 / 1e9:g} cubic meters in all",
            seen=f"got {lengths_mm.round(1).tolist()} mm",
            remedy="write the spacing again",
        )


def read_volume(path: Path) -> Volume:
    """Read a NIfTI scan of any orientation as HU in RAS+.

    Values below air (-2048 or -3024, which scanners write around their circular field) become air.
    Raises ScanError, which names the file, if it cannot be read or has a voxel of -inf. NaN and inf
    are kept.
    """
    header = read_header(path)
    array, affine = _decode(header, path)
    if header.get_data_dtype().kind == "f" and np.isneginf(array.min()):
        raise ScanError(
            "every voxel must be finite",
            seen=f"{path} has -inf",
            remedy="write air (-1000 HU) there",
        )
    return Volume(array=np.maximum(array, AIR_HU, out=array), affine=affine)


def read_labels(path: Path) -> tuple[LabelArray, Affine]:
    """Read a NIfTI mask of whole numbers from 0 to 255, and return it in RAS+ with its affine.

    Raises ScanError if the file cannot be read or holds other values.
    """
    values, affine = _decode(read_header(path), path)
    whole = np.rint(values)
    is_wrong = ~((np.abs(values - whole) <= LABEL_TOLERANCE) & (whole >= 0) & (whole <= MAX_LABEL))
    if is_wrong.any():
        raise ScanError(
            "a mask holds whole numbers from 0 to 255",
            seen=f"{path} holds {values[is_wrong][0]:g}, among others",
            remedy="export it again as a label map, or threshold it if these are probabilities",
        )
    return whole.astype(np.uint8), affine


def write_volume(path: Path, volume: Volume) -> None:
    """Write HU, rounded to int16, to a NIfTI file. Missing folders are made.

    The file appears under its name only when it is complete.
    """
    limits = np.iinfo(np.int16)
    _write(path, np.rint(volume.array).clip(limits.min, limits.max).astype(np.int16), volume.affine)


def write_labels(path: Path, labels: LabelArray, affine: Affine) -> None:
    """Write a mask to a NIfTI file of type uint8, in the same way as ``write_volume``."""
    _write(path, labels, affine)


def _write(path: Path, array: NDArray[np.int16] | LabelArray, affine: Affine) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    with atomic_write(path) as file:
        image.to_filename(file)


def _decode(header: Header, path: Path) -> tuple[FloatArray, Affine]:
    """Read the voxels of a file, and return them in RAS+ together with their affine."""
    affine, shape = affine_mm(header), header.get_data_shape()[:3]
    try:
        check_affine(affine)
        check_extent(shape, affine)
        stored = np.asarray(ArrayProxy(path, header), dtype=np.float32)
        return to_ras(stored.reshape(shape), affine)
    except ScanError as error:
        raise ScanError(error.rule, seen=error.seen, place=path, remedy=error.remedy) from error
    except READ_ERRORS as error:
        raise ScanError(
            f"{path} ends early or is damaged ({error})", remedy="copy it again"
        ) from error
