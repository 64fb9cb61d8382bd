"""Let one command at a time write to the folder of a study.

A second one would mark the running trials of the first as failed, and train them again.

On one machine, and on folders that several machines share, this is a file lock. At a URL, and on
file systems without locks, it is a lease that is renewed every minute. The lock of a killed process
is free at once. A lease of a killed process is free at once on the same machine, and after five
minutes on others.
"""

import dataclasses
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from ldm.errors import InputError
from orchestration.storage.file_lock import NO_LOCKS, LockHeldError, take_lock
from orchestration.storage.lease import (
    Lease,
    LeaseHeldError,
    drop_lease,
    now,
    read_lease,
    take_lease,
    this_lease,
    write_lease,
)
from orchestration.storage.sharing import SHARED_FOLDER, Sharing

LOCK_FILE = ".lock"  # the dot keeps it on this machine
LEASE_FILE = "lease"
VALID = timedelta(minutes=5)  # clocks of different machines may differ by less than that
RENEW_EVERY_S = 60.0


@contextmanager
def study_lock(folder: Path, sharing: Sharing = SHARED_FOLDER) -> Iterator[None]:
    """Hold the lock of a study's folder within the context, and make the folder if necessary.

    Raises InputError, which names the holder, if another command holds the lock, or if the lock was
    lost because the lease could not be renewed for five minutes. Also raises it if the folder or
    the URL cannot be written to.
    """
    sharing.check(writes=True)
    handle = _take_file_lock(folder)
    try:
        if handle is not None and sharing == SHARED_FOLDER:
            yield
        else:
            with _study_lease(folder, sharing):
                yield
    finally:
        if handle is not None:
            os.close(handle)


def _take_file_lock(folder: Path) -> int | None:
    """Return the descriptor of the lock, or None if the file system has no locks."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return take_lock(folder / LOCK_FILE)
    except LockHeldError as error:
        raise _held(folder, str(error)) from error
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise InputError(
            "--storage must be a folder that can be written to",
            seen=f"{folder} is not ({error})",
            remedy="choose another folder",
        ) from error


@contextmanager
def _study_lease(folder: Path, sharing: Sharing) -> Iterator[None]:
    path, lease = folder / LEASE_FILE, this_lease(now() + VALID)
    address = sharing.address(folder)
    try:
        take_lease(path, sharing, lease, is_free=_is_free)
    except LeaseHeldError as error:
        until = f"; if it was killed, wait until {error.held.until}"
        raise _held(address, str(error), until) from error
    with _Renewal(path, sharing, lease) as renewal:
        try:
            yield
        except KeyboardInterrupt as error:
            if renewal.lost_to is None:
                raise
            raise _held(address, str(renewal.lost_to.holder)) from error
        if renewal.lost_to is not None:
            raise _held(address, str(renewal.lost_to.holder))


def _is_free(held: Lease) -> bool:
    return held.has_expired or held.is_of_dead_process


def _held(folder: object, holder: str, more: str = "") -> InputError:
    return InputError(
        f"only one command at a time can write to {folder}",
        seen=f"it is in use by {holder}",
        remedy=f"wait until that command has ended, or stop it{more}",
    )


class _Renewal(threading.Thread):
    """Renews a lease within a ``with`` block, and removes it at the end.

    If another process has taken it over, because it could not be renewed in time, this process gets
    the signal of Ctrl-C. ``lost_to`` is the lease of the other process.
    """

    def __init__(self, path: Path, sharing: Sharing, lease: Lease) -> None:
        super().__init__(daemon=True, name="study-lease")
        self._path, self._sharing, self._lease = path, sharing, lease
        self._is_over = threading.Event()
        self.lost_to: Lease | None = None

    def __enter__(self) -> "_Renewal":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self.join()
        with suppress(OSError):  # the URL is away; the lease expires by itself
            drop_lease(self._path, self._sharing, self._lease)

    def run(self) -> None:
        """Renew the lease every minute until the block ends or the lease is lost."""
        while not self._is_over.wait(RENEW_EVERY_S):
            try:
                if not self._renew():
                    os.kill(os.getpid(), signal.SIGINT)
                    return
            except (OSError, InputError):  # the URL is away; there is time for several tries
                continue

    def _renew(self) -> bool:
        """Renew the lease. Returns False if another process has taken it over."""
        held = read_lease(self._path, self._sharing)
        if held and held.key != self._lease.key:
            self.lost_to = held
            return False
        until = (now() + VALID).isoformat(timespec="seconds")
        self._lease = dataclasses.replace(self._lease, until=until)
        write_lease(self._path, self._sharing, self._lease)
        return True
