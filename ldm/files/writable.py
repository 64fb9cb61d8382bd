"""Find out whether files can be made in a folder, without making the folder."""

import tempfile
from pathlib import Path


def nearest_existing(folder: Path) -> Path:
    """Return a path, or its nearest parent that exists, which may be a file."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def nearest_folder(folder: Path) -> Path:
    """Return a folder, or its nearest parent that exists and is a folder."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def check_writable(folder: Path) -> None:
    """Raise OSError unless a file can be made in a folder.

    If the folder does not exist yet, its nearest parent is tried.
    """
    with tempfile.TemporaryFile(dir=nearest_existing(folder)):
        pass
