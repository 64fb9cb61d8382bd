"""A CT series in DICOM: a folder of slices in, one volume of HU in RAS+ out.

Each slice goes where its own tags put it; the names of files say nothing. DICOM counts mm towards
left, back and head (LPS), a volume towards right, front and head (RAS).
"""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import SimpleITK
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from ldm.data.dicom.lengths import check_lengths
from ldm.data.dicom.slice_stack import check_alike, stack
from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.nifti_header import MAX_VOXELS
from ldm.data.geometry.volume import Affine, FloatArray, Volume, check_affine, check_extent
from ldm.errors import ScanError

TAGS = {
    "Modality": "0008|0060",
    "PatientID": "0010|0020",
    "SeriesInstanceUID": "0020|000e",
    "ImagePositionPatient": "0020|0032",
    "ImageOrientationPatient": "0020|0037",
    "PhotometricInterpretation": "0028|0004",
    "PixelSpacing": "0028|0030",
}
MAX_SLICE_PIXELS = 4096 * 4096  # of a slice: GDCM fills that much before it looks for the pixels
MAX_PIXELS_A_BYTE = 4096  # a blank slice, packed, reaches half of it
DICOMDIR_UID = b"1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """What a file says of its slice: (columns, rows, frames), and tags by keyword, '' if absent."""

    path: Path
    size: tuple[int, ...]
    tags: dict[str, str]


def read_dicom_series(folder: Path) -> Volume:
    """Read the one CT series in a folder as HU in RAS+; raises ScanError naming folder or file.

    Values under air (padding around the scanner's circle) are read as air.
    """
    headers = [_read_header(path) for path in dicom_files(folder)]
    _check_one_ct_series(headers, folder)
    _check_images(headers, folder)
    order, affine = stack(
        [header.path for header in headers],
        position_mm=_numbers(headers, "ImagePositionPatient", 3),
        directions=_numbers(headers, "ImageOrientationPatient", 6),
        pixel_mm=_numbers(headers, "PixelSpacing", 2),
    )
    try:
        check_affine(affine)
        check_extent((*headers[0].size[:2], len(headers)), affine)
    except ScanError as error:
        raise ScanError(f"{folder}: {error}") from error
    array, affine = to_ras(_read_voxels([headers[index] for index in order]), affine)
    return Volume(array=np.maximum(array, AIR_HU, out=array), affine=affine)


def find_dicom_series(root: Path) -> list[Path]:
    """Folders at or below root that directly hold DICOM files, sorted; linked ones not entered."""
    return sorted(
        Path(folder)
        for folder, _, names in os.walk(root, onerror=_refuse_access)
        if any(_is_dicom(Path(folder, name)) for name in names)
    )


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files directly in a folder, sorted by name; raises ScanError if there are none."""
    _, _, names = next(os.walk(folder, onerror=_refuse_access))
    files = [folder / name for name in sorted(names) if _is_dicom(folder / name)]
    for file in files:
        if file.is_symlink() and not file.resolve().is_relative_to(folder.resolve()):
            raise ScanError(
                f"slices must lie in the folder of their series, {file} links out of it: copy the "
                "file there"
            )
    if not files:
        raise ScanError(
            f"a series is a folder of DICOM files ('DICM' at byte 128), {folder} has none: name"
            " the folder that directly holds the slices"
        )
    return files


def patient_key(folder: Path) -> str:
    """16 hex digits from the SHA-256 of a series' PatientID, or of its UID where that is empty.

    The key does not show the ID, but a guessed ID can be checked against it: it is kept nowhere
    without a salt (``ldm.data.cohort.inspection_cache``).
    """
    header = _read_header(dicom_files(folder)[0])
    text = header.tags["PatientID"] or header.tags["SeriesInstanceUID"]
    if not text:
        raise ScanError(
            f"a series has a PatientID or a SeriesInstanceUID, {header.path} has neither: export"
            " it again"
        )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_ras(array: FloatArray, affine: Affine) -> tuple[FloatArray, Affine]:
    """Turn voxels, with their affine to mm in RAS, to axes in RAS+; a view of the same memory."""
    turn = io_orientation(affine)
    turned: FloatArray = apply_orientation(array, turn)
    turned_affine: Affine = affine @ inv_ornt_aff(turn, array.shape)
    return turned, turned_affine


def _is_dicom(path: Path) -> bool:
    """Whatever the suffix; a DICOMDIR lists files and is none."""
    if path.name == "DICOMDIR" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        _refuse_access(error)
    return head[128:132] == b"DICM" and DICOMDIR_UID not in head


def _refuse_access(error: OSError) -> NoReturn:
    raise ScanError(
        f"{error.filename} cannot be read ({error.strerror}): check its name and permissions"
    ) from error


def _reader(path: Path) -> SimpleITK.ImageFileReader:
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")  # it applies slope and intercept, which may differ by slice
    reader.SetOutputPixelType(SimpleITK.sitkFloat32)
    reader.SetFileName(os.fspath(path))
    return reader


def _read_header(path: Path) -> _Header:
    check_lengths(path)
    reader = _reader(path)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _damaged(path, error) from error
    tags = {
        keyword: _text(reader.GetMetaData(tag)) if reader.HasMetaDataKey(tag) else ""
        for keyword, tag in TAGS.items()
    }
    return _Header(path=path, size=reader.GetSize(), tags=tags)


def _text(value: str) -> str:
    """A tag without padding; bytes that are not UTF-8 become backslash escapes."""
    return value.strip(" \0").encode(errors="surrogateescape").decode(errors="backslashreplace")


def _read_voxels(headers: list[_Header]) -> FloatArray:
    """HU as (columns, rows, slices)."""
    columns, rows = headers[0].size[:2]
    array = np.empty((columns, rows, len(headers)), np.float32, order="F")
    for index, header in enumerate(headers):
        try:
            image = _reader(header.path).Execute()
        except RuntimeError as error:
            raise _damaged(header.path, error) from error
        array[:, :, index] = SimpleITK.GetArrayViewFromImage(image).reshape(rows, columns).T
    return array


def _damaged(path: Path, error: RuntimeError) -> ScanError:
    reason = str(error).strip().splitlines()[-1].rsplit("): ", 1)[-1]
    return ScanError(
        f"{path} is damaged or no image ({reason}): copy it again, or take it out if it is a"
        " report or a contour"
    )


def _check_one_ct_series(headers: list[_Header], folder: Path) -> None:
    first = {header.tags["SeriesInstanceUID"]: header.path for header in reversed(headers)}
    if len(first) > 1:
        n_files = Counter(header.tags["SeriesInstanceUID"] for header in headers)
        found = ", ".join(
            f"that of {first[uid].name} (files: {n})" for uid, n in n_files.most_common(3)
        )
        raise ScanError(
            f"a folder holds one series, {folder} has {len(first)}: {found}: put each in its own"
            " folder"
        )
    for header in headers:
        if header.tags["Modality"] != "CT":
            raise ScanError(
                f"a scan has modality CT, {header.path} has '{header.tags['Modality']}': leave its"
                " folder out"
            )


def _check_images(headers: list[_Header], folder: Path) -> None:
    for header in headers:
        colors, n_frames = header.tags["PhotometricInterpretation"], int(np.prod(header.size[2:]))
        if colors != "MONOCHROME2" or n_frames != 1:
            raise ScanError(
                f"a file holds one slice in MONOCHROME2, {header.path} holds {n_frames} in"
                f" {colors}: convert it to NIfTI with dcm2niix, or take a screenshot out"
            )
        n_pixels = int(np.prod(header.size, dtype=np.int64))
        if n_pixels > min(MAX_SLICE_PIXELS, MAX_PIXELS_A_BYTE * header.path.stat().st_size):
            raise ScanError(
                f"a slice has at most {MAX_SLICE_PIXELS} pixels and {MAX_PIXELS_A_BYTE} a byte, "
                f"{header.path} claims {header.size[:2]}: export the series again"
            )
    paths = [header.path for header in headers]
    check_alike(paths, "Columns and Rows", np.array([header.size[:2] for header in headers]), 0)
    shape = (*headers[0].size[:2], len(headers))
    if min(shape) < 2:
        raise ScanError(
            f"a scan has 2 slices or more of 2 x 2 pixels or more, {folder} has {shape}: copy the"
            " other slices there"
        )
    if np.prod(shape, dtype=np.int64) > MAX_VOXELS:
        raise ScanError(f"{folder} claims {shape} voxels, the limit is {MAX_VOXELS} in all")


def _numbers(headers: list[_Header], keyword: str, n_numbers: int) -> NDArray[np.float64]:
    """A tag of numbers, one row a slice."""
    table = []
    for header in headers:
        text = header.tags[keyword]
        try:
            numbers = [float(number) for number in text.split("\\")]
        except ValueError:
            numbers = []
        if len(numbers) != n_numbers or not np.isfinite(numbers).all():
            raise ScanError(
                f"a slice has {n_numbers} numbers as {keyword}, {header.path} has '{text}': export"
                " the series again"
            )
        table.append(numbers)
    return np.array(table)
