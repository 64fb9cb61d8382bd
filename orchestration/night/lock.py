"""One night at a time: a lock that ends with its holder, and says who that is."""

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
    """Another night runs with this storage; it is no mistake, and mends itself."""


@contextmanager
def night_lock(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder; yields its open file, for a sweep that outlives a killed night.

    The kernel frees the lock when the last process that has the file open ends, however it does:
    so a sweep that goes on after its night was killed keeps the next one out. (filelock's file is
    not inherited.) Raises NightHeldError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held = os.pread(handle, 1000, 0).decode(errors="replace").strip()
            raise NightHeldError(
                f"one night at a time uses {folder.parent}, it is held by {held or 'another'}: "
                "nothing was started"
            ) from error
        _sign(handle)
        yield handle
    finally:
        os.close(handle)


def _sign(handle: int) -> None:
    """Who holds the lock, in the file itself."""
    who = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(who).encode(), 0)
