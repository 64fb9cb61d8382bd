"""A file lock that lets one night at a time use a folder, and names its holder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldm.errors import PancreatuneError
from orchestration.storage.file_lock import LockHeldError, take_lock

LOCK_FILE = "lock"


class NightHeldError(PancreatuneError):
    """Another night is using this storage. This is no failure: the next night starts as usual."""


@contextmanager
def night_lock(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder within the context, and make the folder if it does not exist.

    Yields the file descriptor of the lock, which the process of a sweep must inherit. A sweep that
    outlives its killed night then keeps the next night from starting. Raises NightHeldError if
    another night holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = take_lock(folder / LOCK_FILE)
    except LockHeldError as error:
        raise NightHeldError(
            f"only one night at a time can use {folder.parent}, and it is held by {error}: "
            "nothing was started"
        ) from error
    try:
        yield handle
    finally:
        os.close(handle)
