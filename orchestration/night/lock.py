"""A file lock that lets one night at a time use a folder, and names its holder."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldm.errors import PancreatuneError

LOCK_FILE = "lock"


class NightHeldError(PancreatuneError):
    """Another night is using this storage. This is no failure: the next night starts as usual."""


@contextmanager
def night_lock(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder within the context, and make the folder if it does not exist.

    Yields the file descriptor of the lock, which the process of a sweep must inherit.

    The kernel frees the lock when the last process that has the file open ends.
    A sweep that outlives its killed night therefore keeps the next night from starting. (With the
    library filelock, processes cannot inherit the file.) Raises NightHeldError if another night
    holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held = os.pread(handle, 1000, 0).decode(errors="replace").strip()
            raise NightHeldError(
                f"only one night at a time can use {folder.parent}, and it is held by "
                f"{held or 'another night'}: nothing was started"
            ) from error
        _sign(handle)
        yield handle
    finally:
        os.close(handle)


def _sign(handle: int) -> None:
    """Write the process id, host and time of the holder into the lock's file."""
    who = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(who).encode(), 0)
