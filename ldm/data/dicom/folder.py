"""Find the slices in a folder, and what else lies beside them."""

import os
from collections.abc import Sequence
from pathlib import Path

from ldm.data.dicom.file_kind import FileKind, kind_of_file, unreadable
from ldm.errors import ScanError

SUFFIXES = (".dcm", ".ima", ".dicom")


def dicom_files(folder: Path) -> list[Path]:
    """Return the slices directly in a folder, sorted by name.

    These are its DICOM files, except those of classes that hold no images of a scan.

    Raises ScanError if there are none, if one is a link to a file outside the folder, or if a slice
    may be missing: a file is empty, is a link to a missing file, or has the suffix of a DICOM file
    but is none.
    """
    kinds = kinds_in(folder)
    files = [path for path, kind in kinds.items() if kind is FileKind.SLICE]
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
    lost = [path for path, kind in kinds.items() if kind is FileKind.LOST]
    if lost:
        raise lost_error(lost)
    for path, kind in kinds.items():
        if kind is FileKind.OTHER and path.suffix.lower() in SUFFIXES:
            raise ScanError(
                "each file of a series that has the suffix of a DICOM file must be one",
                seen=f"{path} is none, so a slice may be missing",
                remedy="copy it again, or take it out if it is no slice",
            )
    return files


def lost_error(lost: Sequence[Path]) -> ScanError:
    """Return the error for files of ``FileKind.LOST``. It names the first, and their number."""
    first = lost[0]
    if first.is_symlink():
        how, remedy = "links to a file that is missing", "mount its disk, or fetch it"
    else:
        how, remedy = "is empty", "copy it again"
    return ScanError(
        "each file of a series has its content",
        seen=f"{first} {how}, one of {len(lost)} without",
        remedy=f"{remedy}, or take it out if it is no slice",
    )


def other_files(folder: Path, kind: FileKind = FileKind.OTHER) -> list[Path]:
    """Return the files of a kind directly in a folder, sorted by name. By default, no DICOM files.

    Files whose names begin with a dot are left out.
    """
    return [path for path, found in kinds_in(folder).items() if found is kind]


def kinds_in(folder: Path) -> dict[Path, FileKind]:
    """Return what each file directly in a folder is, sorted by name.

    Files whose names begin with a dot are left out. Raises ScanError for a file or folder that
    cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise unreadable(error) from error
    return {path: kind_of_file(path) for path in paths if not _is_folder(path)}


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder. A link to where nobody may look is none."""
    return os.access(path, os.F_OK) and path.is_dir()
