"""Find files and folders of a cohort that this user may not open."""

import os
from collections.abc import Iterator
from pathlib import Path

from ldm.data.geometry.nifti_header import NOT_ALLOWED
from ldm.errors import InputError


def require_open(path: Path) -> None:
    """Raise InputError if this user may not look into the folder of a path, or into the path.

    A file need not exist, and is not opened: the inspection of its scan says so.
    """
    try:
        if path.is_dir():
            next(path.iterdir(), None)
    except PermissionError as error:
        raise InputError(
            "this user must be allowed to open the folders of scans",
            seen=f"{path} cannot be reached ({error.strerror}: {error.filename})",
            remedy=NOT_ALLOWED,
        ) from error


def is_open(folder: Path) -> bool:
    """Return whether a folder is there, and this user may list it and reach what is in it."""
    try:
        os.scandir(folder).close()
    except OSError:
        return False
    return os.access(folder, os.X_OK, effective_ids=True)


def closed_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders in a cohort's folder, and one level deeper, that this user may not open."""
    for above in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not is_open(above):
            yield above
            continue
        with os.scandir(above) as found:
            inside = sorted(one.path for one in found if one.is_dir())
        yield from (Path(path) for path in inside if not is_open(Path(path)))
