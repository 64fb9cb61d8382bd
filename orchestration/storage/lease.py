"""A lease: an object at a URL that says which process uses a part of the storage, and until when.

Machines that share no folder cannot share a file lock. Instead, a process writes a lease with its
name and its end, and removes it afterwards. If the process is killed, its lease expires.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ldm.errors import PancreatuneError
from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.storage.file_lock import Holder, this_process
from orchestration.storage.sharing import SHARED_FOLDER, Sharing

SETTLE_S = 2.0  # if two processes write a lease at the same moment, the later one keeps it


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Says which process uses a storage, since when and until when. Times are ISO 8601.

    ``key`` is random and tells leases of the same host apart. ``boot`` tells hosts of the same name
    apart: it is the kernel's name for its time since the last start.
    """

    host: str
    since: str
    until: str
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    pid: int = 0
    command: str = ""
    boot: str = ""

    @property
    def has_expired(self) -> bool:
        """Return whether the lease has ended."""
        return datetime.fromisoformat(self.until) <= now()

    @property
    def is_of_dead_process(self) -> bool:
        """Return True if the process is known to be dead, because it ran on this host."""
        mine = this_lease(now())
        is_here = (self.host, self.boot) == (mine.host, mine.boot) and self.pid > 0
        return is_here and not is_running(self.pid)

    @property
    def holder(self) -> Holder:
        """Return the process that holds the lease."""
        return Holder(pid=self.pid, host=self.host, since=self.since, command=self.command)


class LeaseHeldError(PancreatuneError):
    """Another process holds the lease ``held``."""

    def __init__(self, held: Lease) -> None:
        super().__init__(str(held.holder))
        self.held = held


def this_lease(until: datetime) -> Lease:
    """Return a new lease of this process."""
    me = this_process()
    boot = Path("/proc/sys/kernel/random/boot_id")
    return Lease(
        host=me.host,
        since=now().isoformat(timespec="seconds"),
        until=until.isoformat(timespec="seconds"),
        pid=me.pid,
        command=me.command,
        boot=boot.read_text().strip() if boot.is_file() else "",
    )


def now() -> datetime:
    """Return the current time with its time zone."""
    return datetime.now().astimezone()


def is_running(pid: int) -> bool:
    """Return whether a process of this host is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True


def read_lease(path: Path, sharing: Sharing) -> Lease | None:
    """Return the lease at a path, or None if there is none. Raises InputError if it is damaged."""
    if sharing != SHARED_FOLDER:
        # A local copy with the same second and size would count as up to date.
        path.unlink(missing_ok=True)
    if not sharing.fetch(path):
        return None
    remedy = f"remove {sharing.address(path)} if nothing else runs with this storage"
    return read_dataclass(Lease, path, remedy=remedy)


def write_lease(path: Path, sharing: Sharing, lease: Lease) -> None:
    """Write a lease and make it visible to all machines."""
    write_dataclass(path, lease)
    sharing.push(path)


def take_lease(
    path: Path, sharing: Sharing, lease: Lease, *, is_free: Callable[[Lease], bool]
) -> None:
    """Write a lease, and wait until it is clear that no other process wrote one at the same time.

    ``is_free`` says whether a lease that is found may be replaced. Raises LeaseHeldError if it may
    not, or if another process was later, and InputError if the lease that is found is damaged.
    """
    held = read_lease(path, sharing)
    if held and not is_free(held):
        raise LeaseHeldError(held)
    write_lease(path, sharing, lease)
    time.sleep(SETTLE_S)
    if (held := read_lease(path, sharing)) and held.key != lease.key:
        raise LeaseHeldError(held)


def drop_lease(path: Path, sharing: Sharing, lease: Lease) -> None:
    """Remove a lease, unless it expired and another process has replaced it."""
    held = read_lease(path, sharing)
    if held and held.key == lease.key:
        sharing.remove(path)
