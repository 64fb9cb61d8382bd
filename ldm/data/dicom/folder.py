"""Find DICOM files: which folders hold a series, and which of their files are slices.

pydicom is not imported here. It takes half a second to load, and every process that lists a folder
would wait for it.
"""

import os
import re
from pathlib import Path
from typing import NoReturn

from ldm.errors import ScanError

PREFIX_AT, PREFIX = 128, b"DICM"  # DICOM PS3.10, 7.1: after a preamble of 128 bytes
# A file without preamble starts with its first tag, which is of group 8, or 2 if it has a header.
FIRST_GROUPS = (b"\x08\x00", b"\x02\x00")
MAX_FIRST_VALUE_BYTES = 1024
SUFFIXES = (".dcm", ".ima", ".dicom")
DICOMDIR_UID = b"1.2.840.10008.1.3.10"  # the SOP class of a file that lists other files
# The SOP classes of segmentations: of segments (DICOM PS3.3, A.51) and of label maps.
SEGMENTATION_UIDS = (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.5.1.4.1.1.66.7")
SOP_CLASS_TAGS = (b"\x02\x00\x02\x00", b"\x08\x00\x16\x00")  # in the file's header, in the dataset
HEAD_BYTES = 512


def find_dicom_series(root: Path) -> list[Path]:
    """Return the folders at or below ``root`` that directly hold DICOM files, sorted.

    The result is empty if there are none. Links to folders are not followed. Raises ScanError for a
    folder or file that cannot be read.
    """
    return sorted(
        Path(folder)
        for folder, _, names in os.walk(root, onerror=_raise_unreadable)
        if any(_is_slice(Path(folder, name)) for name in names)
    )


def find_segmentations(root: Path) -> list[Path]:
    """Return the DICOM-SEG files at or below ``root``, sorted. Links to folders are not followed.

    Raises ScanError for a folder or file that cannot be read.
    """
    return sorted(
        Path(folder, name)
        for folder, _, names in os.walk(root, onerror=_raise_unreadable)
        for name in names
        if not name.startswith(".") and is_segmentation(Path(folder, name))
    )


def is_segmentation(path: Path) -> bool:
    """Return True for a DICOM-SEG file: masks, which other files than the slices hold.

    Raises ScanError if the file cannot be read.
    """
    return path.is_file() and _sop_class(_head(path)) in SEGMENTATION_UIDS


def dicom_files(folder: Path) -> list[Path]:
    """Return the slices directly in a folder, which are its DICOM files, sorted by name.

    Segmentations are no slices.

    Raises ScanError if there are none, if one is a link to a file outside the folder, or if a file
    has the suffix of a DICOM file but is none, because then a slice may be missing.
    """
    files = [path for path in _visible_files(folder) if _is_slice(path)]
    for file in files:
        if file.is_symlink() and not file.resolve().is_relative_to(folder.resolve()):
            raise ScanError(
                "slices must lie in the folder of their series",
                seen=f"{file} links out of it",
                remedy="copy the file there",
            )
    if not files:
        raise ScanError(
            "a series is a folder of DICOM files",
            seen=f"{folder} has none",
            remedy="name the folder that directly holds the slices",
        )
    for path in other_files(folder):
        if path.suffix.lower() in SUFFIXES:
            raise ScanError(
                "each file of a series that has the suffix of a DICOM file must be one",
                seen=f"{path} is none, so a slice may be missing",
                remedy="copy it again, or take it out if it is no slice",
            )
    return files


def other_files(folder: Path) -> list[Path]:
    """Return the files directly in a folder that are no DICOM files, sorted by name.

    A DICOMDIR and files whose names begin with a dot are left out.
    """
    return [
        path
        for path in _visible_files(folder)
        if path.name != "DICOMDIR" and path.is_file() and not _is_dicom(_head(path))
    ]


def _visible_files(folder: Path) -> list[Path]:
    _, _, names = next(os.walk(folder, onerror=_raise_unreadable))
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def _is_slice(path: Path) -> bool:
    """Return True for a DICOM file, whatever its suffix, with or without the preamble.

    A DICOMDIR and a segmentation are not counted as slices, and neither is a file whose name begins
    with a dot.

    Raises ScanError if the file cannot be read.
    """
    if path.name == "DICOMDIR" or path.name.startswith(".") or not path.is_file():
        return False
    head = _head(path)
    return (
        _is_dicom(head) and DICOMDIR_UID not in head and _sop_class(head) not in SEGMENTATION_UIDS
    )


def _head(path: Path) -> bytes:
    """Return the first bytes of a file."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        _raise_unreadable(error)


def _is_dicom(head: bytes) -> bool:
    return has_preamble(head) or _starts_with_a_tag(head)


def _sop_class(head: bytes) -> bytes:
    """Return the UID that says what a DICOM file holds. Empty if it is not in the first bytes."""
    if not _is_dicom(head):
        return b""
    for tag in SOP_CLASS_TAGS:
        value = re.match(rb"[0-9.]+", head[head.find(tag) + 8 :]) if tag in head else None
        if value is not None:
            return value[0]
    return b""


def has_preamble(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of DICOM PS3.10: a preamble and a mark."""
    return head[PREFIX_AT : PREFIX_AT + len(PREFIX)] == PREFIX


def _starts_with_a_tag(head: bytes) -> bool:
    """Return whether a file starts with a short DICOM tag, in which case it has no preamble.

    After the group and the element follow two capital letters or, in the implicit encoding, the
    length of the value in 4 bytes.
    """
    if len(head) < PREFIX_AT or not head.startswith(FIRST_GROUPS):
        return False
    is_explicit = head[4:6].isalpha() and head[4:6].isupper()
    return is_explicit or int.from_bytes(head[4:8], "little") <= MAX_FIRST_VALUE_BYTES


def _raise_unreadable(error: OSError) -> NoReturn:
    raise ScanError(
        f"{error.filename} cannot be read ({error.strerror})",
        remedy="check its name and permissions",
    ) from error
