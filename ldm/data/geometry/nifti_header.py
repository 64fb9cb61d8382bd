"""Read the header of a NIfTI file, checked before memory is taken for its voxels.

An error is raised for what nibabel would silently correct. Header extensions are never read: they
may hold a patient's DICOM tags, and their lengths are not checked.
"""

import math
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ldm.errors import ScanError
from ldm.files.text_kind import N_HEAD_BYTES, text_kind

Header: TypeAlias = nib.Nifti1Header | nib.Nifti2Header

MAX_VOXELS = 1024 * 1024 * 2048
MAX_OFFSET_BYTES = 1 << 26  # where voxels begin, after the header and its extensions
MAX_TRAILING_BYTES = 1 << 20  # after the voxels
MAX_GZIP_RATIO = 1100  # deflate reaches 1032
MAX_RESCALE = 1e6  # a larger slope or intercept does not give HU
MAX_UNEVEN = 0.01  # how far two voxel sizes in a header may differ, as a part of the smaller one
MAX_COSINE = 1e-3  # between two axes of an affine; 0 if they are perpendicular
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}  # unknown, meters, mm, microns
KINDS = {540: nib.Nifti2Header, 348: nib.Nifti1Header}
FIRST_BYTES = tuple(n.to_bytes(4, order) for n in KINDS for order in ("little", "big"))
GZIP = b"\x1f\x8b"
SUFFIXES = (".nii", ".nii.gz")
NOT_ALLOWED = "let this user read it (chmod -R u+rX, or chown), or run as a user who may"


def read_header(path: Path) -> Header:
    """Read and check the header of a 3D scan in NIfTI. Further axes may have a length of 1.

    Raises ScanError, which names the file, if it cannot be read, or if its header is damaged or
    claims something impossible.
    """
    if not path.name.endswith(SUFFIXES):
        raise ScanError(
            "a scan is NIfTI (.nii, .nii.gz)", seen=f"{path} is not", remedy="convert it"
        )
    try:
        with ImageOpener(path) as stream:
            raw = stream.read(max(KINDS))
        header = _parse(raw, path)
        _check_place(header, raw, path)
        _check_shape(header, path)
        _check_axes(header, path)
        _check_values(header, path)
        _check_size(header, path)
    except (OSError, EOFError, ValueError, zlib.error, HeaderDataError) as error:
        raise _unreadable(path, str(error)) from error
    return header


def _unreadable(path: Path, reason: str) -> ScanError:
    """Return the error for a file that is no NIfTI, which says what it is instead if it can.

    Data sets are often downloaded as pointers of git-lfs or git-annex, and programs that unpack or
    compress a file sometimes keep its name.
    """
    remedy = "copy it again"
    try:
        with path.open("rb") as stream:
            head = stream.read(N_HEAD_BYTES)
    except PermissionError:  # ``reason`` says so
        head, remedy = b"", NOT_ALLOWED
    except OSError:  # as above
        head = b""
    if found := text_kind(head) if head else None:
        reason, remedy = f"it is {found.what}", found.remedy
    elif path.suffix == ".gz" and head[:4] in FIRST_BYTES:
        reason, remedy = "it is not compressed", f"rename it to {path.stem}"
    elif path.suffix == ".nii" and head.startswith(GZIP):
        reason, remedy = "it is compressed", f"rename it to {path.name}.gz"
    return ScanError(f"{path} cannot be read as NIfTI ({reason})", remedy=remedy)


def affine_mm(header: Header) -> NDArray[np.float64]:
    """Return the affine from voxel index to world mm, whatever unit of length the header names.

    It is the sform, or the qform if there is no sform. A header without a unit is in mm.
    """
    affine: NDArray[np.float64] = header.get_best_affine()
    return np.diag([*[MM_PER_UNIT[_unit(header)]] * 3, 1.0]) @ affine


def _unit(header: Header) -> int:
    """Return the code of the unit of length, without that of the unit of time."""
    return int(header["xyzt_units"]) & 7


def content_bytes(header: Header) -> int:
    """Return the position in the uncompressed file, in bytes, at which the voxels end."""
    n_voxels = math.prod(int(n) for n in header.get_data_shape())
    return int(header["vox_offset"]) + n_voxels * int(header.get_data_dtype().itemsize)


def _parse(raw: bytes, path: Path) -> Header:
    """Return the header in the first bytes of a file, checked by nibabel. Ignores extensions."""
    for order in ("little", "big"):
        n_bytes = int.from_bytes(raw[:4], order)
        if n_bytes in KINDS and len(raw) >= n_bytes:
            return KINDS[n_bytes](raw[:n_bytes], "<" if order == "little" else ">", check=True)
    raise _unreadable(path, "it has no header")


def _check_place(header: Header, raw: bytes, path: Path) -> None:
    if not (header["qform_code"] or header["sform_code"]):
        raise ScanError(
            "a header must say where the scan lies",
            seen=f"{path} has neither a qform nor an sform",
            remedy="convert the scan again from its DICOM files",
        )
    if _unit(header) not in MM_PER_UNIT:
        raise ScanError(
            "a header has its lengths in meters (1), mm (2) or microns (3)",
            seen=f"{path} has unit {_unit(header)}",
            remedy="write the header again",
        )
    as_stored = type(header)(raw[: header.sizeof_hdr], header.endianness, check=False)
    stored_mm = [float(mm) for mm in as_stored["pixdim"][1:4]]
    if not all(0 < mm < math.inf for mm in stored_mm):  # false for NaN too
        raise ScanError(
            "spacing must be above 0 mm",
            seen=f"{path} has {stored_mm} in its header",
            remedy="write the header again",
        )


def _check_axes(header: Header, path: Path) -> None:
    """Raise ScanError if axes are sheared, or if sform, qform and pixdim contradict each other."""
    affine = affine_mm(header)[:3, :3]
    size = np.linalg.norm(affine, axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9:
        return  # ``check_affine`` raises an error for it
    cosines = _directions(affine).T @ _directions(affine) - np.eye(3)
    if np.abs(cosines).max() > MAX_COSINE:
        degrees = np.degrees(np.arcsin(min(1.0, np.abs(cosines).max())))
        raise ScanError(
            "the axes of a scan are perpendicular",
            seen=f"{path} is sheared by {degrees:.1f} degrees (an undone gantry tilt?)",
            remedy="resample it, or convert it again with dcm2niix, which undoes a tilt",
        )
    pixdim = np.array(header.get_zooms()[:3]) * MM_PER_UNIT[_unit(header)]
    if np.abs(size / pixdim - 1).max() > MAX_UNEVEN:
        raise ScanError(
            "a header has one voxel size",
            seen=f"{path} has {_mm(size)} in its sform and {_mm(pixdim)} in pixdim",
            remedy="convert the scan again from its DICOM files",
        )
    if header["qform_code"] and header["sform_code"]:
        turned = _directions(affine).T @ _directions(header.get_qform()[:3, :3]) - np.eye(3)
        if np.abs(turned).max() > MAX_UNEVEN:
            raise ScanError(
                "sform and qform of a header have the same directions",
                seen=f"{path} has {_orientation(affine)} in its sform and"
                f" {_orientation(header.get_qform()[:3, :3])} in its qform",
                remedy="convert the scan again from its DICOM files",
            )


def _directions(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the columns of a matrix (3, 3) as unit vectors."""
    unit: NDArray[np.float64] = affine / np.linalg.norm(affine, axis=0)
    return unit


def _mm(size: Iterable[float]) -> str:
    return " x ".join(f"{mm:.4g}" for mm in size) + " mm"


def _orientation(affine: NDArray[np.float64]) -> str:
    """Return where the axes point, such as ``RAS``, and how far they are turned from there."""
    whole = np.eye(4)
    whole[:3, :3] = affine
    codes = "".join(nib.aff2axcodes(whole))
    unit = np.abs(_directions(affine)).max(axis=0).min()
    return f"{codes} (turned by {np.degrees(np.arccos(min(1.0, unit))):.0f} degrees)"


def _check_shape(header: Header, path: Path) -> None:
    shape = tuple(int(n) for n in header.get_data_shape())
    if math.prod(shape[3:]) != 1:
        raise ScanError(
            "a scan is one volume",
            seen=f"{path} has {math.prod(shape[3:])} (shape {shape})",
            remedy="write the one that you want to a file of its own",
        )
    if len(shape) < 3 or min(shape[:3]) < 2:
        raise ScanError(
            "a scan has 3 axes of 2 voxels or more",
            seen=f"{path} has shape {shape}",
            remedy="take it out, or convert the whole series",
        )
    if math.prod(shape) > MAX_VOXELS:
        raise ScanError(f"{path} claims {shape} voxels", seen=f"the limit is {MAX_VOXELS} in all")


def _check_values(header: Header, path: Path) -> None:
    kind = header.get_data_dtype().kind
    if kind not in "iuf":
        raise ScanError(
            "voxels are integers or real numbers",
            seen=f"{path} has type {kind!r}",
            remedy="convert it",
        )
    slope, intercept = header.get_slope_inter()
    if max(abs(slope or 0.0), abs(intercept or 0.0)) > MAX_RESCALE:
        raise ScanError(
            f"a rescale slope and intercept are at most {MAX_RESCALE:g}",
            seen=f"{path} has {slope:g} and {intercept:g}",
            remedy="convert the scan again from its DICOM files",
        )


def _check_size(header: Header, path: Path) -> None:
    """Raise ScanError if the file is too small to hold the voxels that its header claims.

    For a gzip file, the best possible compression is assumed.
    """
    offset = float(header["vox_offset"])
    if not header.sizeof_hdr <= offset <= MAX_OFFSET_BYTES:
        raise ScanError(
            f"voxels begin {header.sizeof_hdr} to {MAX_OFFSET_BYTES} bytes into a file",
            seen=f"{path} says {offset:g}",
            remedy="write the header again",
        )
    n_bytes = path.stat().st_size * (MAX_GZIP_RATIO if path.suffix == ".gz" else 1)
    if content_bytes(header) > n_bytes:
        raise ScanError(
            f"{path} ends early or is damaged (its header claims {content_bytes(header)} bytes)",
            remedy="copy it again",
        )
