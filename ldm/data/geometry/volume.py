"""A scan or a sample: an array with its place in the world, and NIfTI in and out.

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
from ldm.data.geometry.nifti_header import Header, read_header
from ldm.data.geometry.orientation import to_ras
from ldm.errors import ScanError
from ldm.files.whole_file import whole

FloatArray: TypeAlias = NDArray[np.float32]
LabelArray: TypeAlias = NDArray[np.uint8]
BoolArray: TypeAlias = NDArray[np.bool_]
Affine: TypeAlias = NDArray[np.float64]

MAX_LENGTH_MM = 4000.0  # of a scan along an axis, and its volume: what is resampled to voxels of
MAX_VOLUME_MM3 = 4e9  # some mm would else take any amount of memory
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


def check_extent(shape: tuple[int, ...], affine: Affine) -> None:
    """Raise ScanError for a scan that is larger than any scanner: its spacing is wrong."""
    lengths_mm = np.array(shape, np.float64) * spacing_mm(affine)
    if lengths_mm.max() > MAX_LENGTH_MM or lengths_mm.prod() > MAX_VOLUME_MM3:
        raise ScanError(
            f"a scan spans at most {MAX_LENGTH_MM:g} mm along an axis and "
            f"{MAX_VOLUME_MM3 / 1e9:g} cubic meters in all, got {lengths_mm.round(1).tolist()} mm: "
            "write the spacing again"
        )


def read_volume(path: Path) -> Volume:
    """Read a NIfTI scan of any orientation as HU in RAS+; raises ScanError naming the file.

    Values under air (-2048, -3024: padding around the scanner's circle) are read as air.
    """
    header = read_header(path)
    array, affine = _decode(header, path)
    if header.get_data_dtype().kind == "f" and np.isneginf(array.min()):
        raise ScanError(f"every voxel must be finite, {path} has -inf: write air (-1000 HU) there")
    return Volume(array=np.maximum(array, AIR_HU, out=array), affine=affine)


def read_labels(path: Path) -> tuple[LabelArray, Affine]:
    """Read a NIfTI mask of small whole numbers in RAS+, with its affine."""
    values, affine = _decode(read_header(path), path)
    with np.errstate(invalid="ignore"):  # NaN is refused below
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
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    with whole(path) as file:
        image.to_filename(file)


def _decode(header: Header, path: Path) -> tuple[FloatArray, Affine]:
    """The voxels of a file and its affine, both turned to RAS+."""
    affine: Affine = header.get_best_affine()
    try:
        check_affine(affine)
        check_extent(header.get_data_shape(), affine)
        stored = np.asarray(ArrayProxy(path, header), dtype=np.float32)
        return to_ras(stored, affine)
    except ScanError as error:
        raise ScanError(f"{path}: {error}") from error
    except READ_ERRORS as error:
        raise ScanError(f"{path} ends early or is damaged ({error}): copy it again") from error
