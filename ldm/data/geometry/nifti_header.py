"""The header of a NIfTI file, checked before a voxel is read and before memory is taken.

What nibabel would mend in silence is refused, and what follows the header besides voxels is never
looked at: extensions may hold a patient's DICOM tags, and lengths that nobody has checked.
"""

import math
import zlib
from pathlib import Path
from typing import TypeAlias

import nibabel as nib
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError

from ldm.errors import ScanError

Header: TypeAlias = nib.Nifti1Header | nib.Nifti2Header

MAX_VOXELS = 1024 * 1024 * 2048
MAX_OFFSET_BYTES = 1 << 26  # of the voxels: behind the header and its extensions
MAX_TRAILING_BYTES = 1 << 20  # behind the voxels
MAX_GZIP_RATIO = 1100  # deflate reaches 1032
MAX_RESCALE = 1e6  # a larger slope or intercept makes no HU
KINDS = {540: nib.Nifti2Header, 348: nib.Nifti1Header}
SUFFIXES = (".nii", ".nii.gz")


def read_header(path: Path) -> Header:
    """The header of a 3D scan; raises ScanError naming the file for one that cannot be true."""
    if not path.name.endswith(SUFFIXES):
        raise ScanError(f"a scan is NIfTI (.nii, .nii.gz), {path} is not: convert it")
    try:
        with ImageOpener(path) as stream:
            raw = stream.read(max(KINDS))
        header = _parse(raw, path)
        _check_place(header, raw, path)
        _check_shape(header, path)
        _check_values(header, path)
        _check_size(header, path)
    except (OSError, EOFError, ValueError, zlib.error, HeaderDataError) as error:
        raise ScanError(f"{path} cannot be read as NIfTI ({error}): copy it again") from error
    return header


def content_bytes(header: Header) -> int:
    """Where the voxels of an unpacked file end."""
    n_voxels = math.prod(int(n) for n in header.get_data_shape())
    return int(header["vox_offset"]) + n_voxels * int(header.get_data_dtype().itemsize)


def _parse(raw: bytes, path: Path) -> Header:
    """As nibabel checks it, but for its extensions."""
    for order in ("little", "big"):
        n_bytes = int.from_bytes(raw[:4], order)
        if n_bytes in KINDS and len(raw) >= n_bytes:
            return KINDS[n_bytes](raw[:n_bytes], "<" if order == "little" else ">", check=True)
    raise ScanError(f"{path} cannot be read as NIfTI (it has no header): copy it again")


def _check_place(header: Header, raw: bytes, path: Path) -> None:
    if not (header["qform_code"] or header["sform_code"]):
        raise ScanError(
            f"a header must say where the scan lies, {path} has neither a qform nor an sform: "
            "convert the scan again from its DICOM files"
        )
    as_stored = type(header)(raw[: header.sizeof_hdr], header.endianness, check=False)
    stored_mm = [float(mm) for mm in as_stored["pixdim"][1:4]]
    if not all(0 < mm < math.inf for mm in stored_mm):  # NaN is refused too
        raise ScanError(
            f"spacing must be above 0 mm, {path} has {stored_mm} in its header: "
            "write the header again"
        )


def _check_shape(header: Header, path: Path) -> None:
    shape = tuple(int(n) for n in header.get_data_shape())
    if len(shape) != 3 or min(shape) < 2:
        raise ScanError(f"a scan has 3 axes of 2 voxels or more, {path} has shape {shape}")
    if math.prod(shape) > MAX_VOXELS:
        raise ScanError(f"{path} claims {shape} voxels, the limit is {MAX_VOXELS} in all")


def _check_values(header: Header, path: Path) -> None:
    kind = header.get_data_dtype().kind
    if kind not in "iuf":
        raise ScanError(f"voxels are whole or real numbers, {path} has type {kind!r}: convert it")
    slope, intercept = header.get_slope_inter()
    if max(abs(slope or 0.0), abs(intercept or 0.0)) > MAX_RESCALE:
        raise ScanError(
            f"a rescale slope and intercept are at most {MAX_RESCALE:g}, {path} has {slope:g} and "
            f"{intercept:g}: convert the scan again from its DICOM files"
        )


def _check_size(header: Header, path: Path) -> None:
    """Raise ScanError where the file cannot hold what its header claims, however well packed."""
    offset = float(header["vox_offset"])
    if not header.sizeof_hdr <= offset <= MAX_OFFSET_BYTES:
        raise ScanError(
            f"voxels begin {header.sizeof_hdr} to {MAX_OFFSET_BYTES} bytes into a file, {path} "
            f"says {offset:g}: write the header again"
        )
    n_bytes = path.stat().st_size * (MAX_GZIP_RATIO if path.suffix == ".gz" else 1)
    if content_bytes(header) > n_bytes:
        raise ScanError(
            f"{path} ends early or is damaged (its header claims {content_bytes(header)} bytes): "
            "copy it again"
        )
