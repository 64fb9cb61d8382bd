"""A lock that lets one night at a time use a folder, and says who holds it."""

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
    """Another night uses this storage. It is no mistake: the next night will start as usual."""


@contextmanager
def night_lock(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder. Yields the lock's open file, which a sweep has to inherit.

    The kernel frees the lock when the last process with the open file ends, for whatever reason.
    So a sweep that outlives its killed night keeps the next night out. (The library filelock does
    not let processes inherit its file.) Raises NightHeldError if another night holds the lock.
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
    """Write who holds the lock into its file."""
    who = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(who).encode(), 0)
