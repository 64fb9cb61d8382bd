"""Find DICOM files: which folders hold a series, and which of their files are slices.

pydicom is not imported here. It takes half a second to load, and every process that lists a folder
would wait for it.
"""

import os
from pathlib import Path
from typing import NoReturn

from ldm.errors import ScanError

PREFIX_AT, PREFIX = 128, b"DICM"  # DICOM PS3.10, 7.1: after a preamble of 128 bytes
DICOMDIR_UID = b"1.2.840.10008.1.3.10"  # the SOP class of a file that lists other files


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


def dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM files directly in a folder, sorted by name.

    Raises ScanError if there are none, or if one is a link to a file outside the folder.
    """
    _, _, names = next(os.walk(folder, onerror=_raise_unreadable))
    files = [folder / name for name in sorted(names) if _is_slice(folder / name)]
    for file in files:
        if file.is_symlink() and not file.resolve().is_relative_to(folder.resolve()):
            raise ScanError(
                "slices must lie in the folder of their series",
                seen=f"{file} links out of it",
                remedy="copy the file there",
            )
    if not files:
        raise ScanError(
            "a series is a folder of DICOM files ('DICM' at byte 128)",
            seen=f"{folder} has none",
            remedy="name the folder that directly holds the slices",
        )
    return files


def _is_slice(path: Path) -> bool:
    """Return True for a DICOM file, whatever its suffix. A DICOMDIR is not counted as a slice.

    Raises ScanError if the file cannot be read.
    """
    if path.name == "DICOMDIR" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        _raise_unreadable(error)
    return head[PREFIX_AT:].startswith(PREFIX) and DICOMDIR_UID not in head


def _raise_unreadable(error: OSError) -> NoReturn:
    raise ScanError(
        f"{error.filename} cannot be read ({error.strerror})",
        remedy="check its name and permissions",
    ) from error
