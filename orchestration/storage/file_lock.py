"""A file lock that names its holder, and that the kernel frees when the holder ends."""

import errno
import fcntl
import json
import os
import shlex
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ldm.errors import InputError, PancreatuneError
from ldm.files.dataclass_json import from_dict, to_dict
from orchestration.masked import masked

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system without flock
MAX_SIGNATURE = 4000
MAX_COMMAND = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds a lock. ``since`` is a time in ISO 8601."""

    pid: int
    host: str
    since: str
    command: str = ""

    def __str__(self) -> str:
        """Return ``process 123 on lab-h1 since 2026-11-28T06:00:00+0000 (pancreatune sweep)``."""
        command = f" ({self.command})" if self.command else ""
        return f"process {self.pid} on {self.host} since {self.since}{command}"


class LockHeldError(PancreatuneError):
    """Another process holds the lock. The message says which, as far as it is known."""


def this_process() -> Holder:
    """Return this process as the holder of a lock, without the passwords in its command."""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return Holder(
        pid=os.getpid(),
        host=socket.gethostname(),
        since=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        command=masked(command)[:MAX_COMMAND],
    )


def take_lock(path: Path) -> int:
    """Lock a file, which is made if it does not exist, and sign it. Returns its descriptor.

    The kernel frees the lock when the last process that has the file open ends, or when the
    descriptor is closed. (With the library filelock, processes cannot inherit the file.) The file
    stays, because another process may be about to lock it.

    Raises LockHeldError if another process holds the lock, and OSError if the file cannot be
    written, or with an error number in ``NO_LOCKS`` if its file system has no locks.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held = _read(handle)
        os.close(handle)
        raise LockHeldError(held) from error
    except OSError:
        os.close(handle)
        raise
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(to_dict(this_process())).encode(), 0)
    return handle


def _read(handle: int) -> str:
    """Return the signature as text. The holder may not have signed yet."""
    text = os.pread(handle, MAX_SIGNATURE, 0).decode(errors="replace").strip()
    try:
        return str(from_dict(Holder, json.loads(text)))
    except (ValueError, InputError):
        return text or "another process"
