"""Tell from the first bytes of a file what it is: a slice, masks, another DICOM object, or lost.

pydicom is not imported here. It takes half a second to load, and every process that lists a folder
would wait for it.
"""

import os
import re
from enum import StrEnum
from pathlib import Path

from ldm.errors import ScanError

PREFIX_AT, PREFIX = 128, b"DICM"  # DICOM PS3.10, 7.1: after a preamble of 128 bytes
# A file without preamble starts with its first tag, which is of group 8, or 2 if it has a header.
FIRST_GROUPS = (b"\x08\x00", b"\x02\x00")
MAX_FIRST_VALUE_BYTES = 1024
DIRECTORY = "DICOMDIR"
DIRECTORY_UID = b"1.2.840.10008.1.3.10"  # the SOP class of a file that lists other files
# The SOP classes of segmentations: of segments (DICOM PS3.3, A.51) and of label maps.
SEGMENTATION_UIDS = (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.5.1.4.1.1.66.7")
STORAGE = b"1.2.840.10008.5.1.4."  # the SOP classes of the standard begin so (PS3.4, B.5)
# How those of images go on: from X-ray (1) and CT (2) to PET (128, 130) and images of radiotherapy.
IMAGES = tuple(
    STORAGE + b"1.1." + family
    for family in (
        *(b"1 2 3 4 5 6 7 12 13 14 20 77 128 130".split()),
        *(b"481.1 481.23 481.24 501 601".split()),
    )
)
SOP_CLASS_TAGS = (b"\x02\x00\x02\x00", b"\x08\x00\x16\x00")  # in the file's header, in the dataset
HEAD_BYTES = 512
# What git-annex and git-lfs leave in place of a file whose content was not fetched.
STAND_INS = (b"/annex/objects/", b"version https://git-lfs.github.com/")


class FileKind(StrEnum):
    """What a file is.

    ``SLICE`` is a DICOM file that may hold an image of a scan, ``MASKS`` a DICOM-SEG file,
    ``OBJECT`` a DICOM file of a class that holds no images, such as contours or a report. ``LOST``
    has no content: it is empty, begins with nothing but zeros, or is a link to a file that is
    missing. ``DIRECTORY`` lists other DICOM files, and ``OTHER`` is no DICOM.
    """

    SLICE = "slice"
    MASKS = "masks"
    OBJECT = "object"
    LOST = "lost"
    DIRECTORY = "directory"
    OTHER = "other"


def kind_of_file(path: Path) -> FileKind:
    """Return what a file is, whatever its suffix, with or without the preamble of DICOM.

    Raises ScanError if the file cannot be read.
    """
    if path.is_symlink() and not os.access(path, os.F_OK):
        return FileKind.LOST
    if not path.is_file():  # a socket or a pipe
        return FileKind.OTHER
    head = _head(path)
    if not any(head) or head.startswith(STAND_INS):
        return FileKind.LOST
    if path.name == DIRECTORY:
        return FileKind.DIRECTORY
    return _kind_of_dicom(head) if _is_dicom(head) else FileKind.OTHER


def is_segmentation(path: Path) -> bool:
    """Return True for a DICOM-SEG file: masks, which other files than the slices hold.

    Raises ScanError if the file cannot be read.
    """
    return path.is_file() and kind_of_file(path) is FileKind.MASKS


def sop_class_of(path: Path) -> str:
    """Return the UID that says what a DICOM file holds. Empty if it is not in the first bytes."""
    return _sop_class(_head(path)).decode()


def may_be_image(sop_class: bytes) -> bool:
    """Return whether a file of a SOP class may hold an image.

    False only for the classes of the standard that hold none, such as RT Structure Set Storage. A
    class that is not known may hold one.
    """
    if not sop_class.startswith(STORAGE):
        return True
    return any(sop_class == uid or sop_class.startswith(uid + b".") for uid in IMAGES)


def has_preamble(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of DICOM PS3.10: a preamble and a mark."""
    return head[PREFIX_AT : PREFIX_AT + len(PREFIX)] == PREFIX


def unreadable(error: OSError) -> ScanError:
    """Return the error for a file or folder that cannot be read."""
    return ScanError(
        f"{error.filename} cannot be read ({error.strerror})",
        remedy="check its name and permissions",
    )


def _head(path: Path) -> bytes:
    """Return the first bytes of a file."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise unreadable(error) from error


def _kind_of_dicom(head: bytes) -> FileKind:
    """Return what a DICOM file is, by its first bytes."""
    sop_class = _sop_class(head)
    if DIRECTORY_UID in head:
        return FileKind.DIRECTORY
    if sop_class in SEGMENTATION_UIDS:
        return FileKind.MASKS
    return FileKind.SLICE if may_be_image(sop_class) else FileKind.OBJECT


def _is_dicom(head: bytes) -> bool:
    return has_preamble(head) or _starts_with_a_tag(head)


def _sop_class(head: bytes) -> bytes:
    """Return the UID that says what a DICOM file holds. Empty if it is not in the first bytes."""
    for tag in SOP_CLASS_TAGS:
        value = re.match(rb"[0-9.]+", head[head.find(tag) + 8 :]) if tag in head else None
        if value is not None:
            return value[0]
    return b""


def _starts_with_a_tag(head: bytes) -> bool:
    """Return whether a file starts with a short DICOM tag, in which case it has no preamble.

    After the group and the element follow two capital letters or, in the implicit encoding, the
    length of the value in 4 bytes.
    """
    if len(head) < PREFIX_AT or not head.startswith(FIRST_GROUPS):
        return False
    is_explicit = head[4:6].isalpha() and head[4:6].isupper()
    return is_explicit or int.from_bytes(head[4:8], "little") <= MAX_FIRST_VALUE_BYTES
