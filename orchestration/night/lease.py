"""A lease that lets one night at a time use a storage at a URL.

Machines that share no folder cannot share a file lock. So a night leaves a lease, an object with
its name and its end, at the URL and removes it afterwards. The lease of a killed night expires when
that night would have ended.
"""

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.night.lock import NightHeldError
from orchestration.storage.sharing import SHARED_FOLDER, Sharing

LEASE_FILE = "lease"
SETTLE_S = 2.0  # if two nights write a lease at the same moment, the later one keeps it
SPARE = timedelta(minutes=15)  # for the report, which is written after the night's end


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Which night uses a storage, and until when. ``key`` tells leases of the same host apart."""

    host: str
    since: str
    until: str
    key: str


@contextmanager
def night_lease(folder: Path, sharing: Sharing, end: datetime) -> Iterator[None]:
    """Hold the lease of a URL. A folder that all machines see needs none: it has ``night_lock``.

    The caller must hold this machine's lock. So a lease of this same host belongs to a night that
    was killed, and is replaced. Raises NightHeldError if another host holds the lease.
    """
    if sharing == SHARED_FOLDER:
        yield
        return
    path, host = folder / LEASE_FILE, socket.gethostname()
    held = _read(path, sharing)
    if held and held.host != host and datetime.fromisoformat(held.until) > _now():
        raise _held(held, path, sharing)
    lease = Lease(
        host=host,
        since=_now().isoformat(timespec="seconds"),
        until=(end + SPARE).isoformat(timespec="seconds"),
        key=secrets.token_hex(8),
    )
    write_dataclass(path, lease)
    sharing.push(path)
    time.sleep(SETTLE_S)
    if (held := _read(path, sharing)) and held != lease:
        raise _held(held, path, sharing)
    try:
        yield
    finally:
        if _read(path, sharing) == lease:  # otherwise it expired and another night has taken over
            sharing.remove(path)


def _now() -> datetime:
    return datetime.now().astimezone()


def _read(path: Path, sharing: Sharing) -> Lease | None:
    path.unlink(missing_ok=True)  # the copy here may pass for one of the same second and length
    if not sharing.fetch(path):
        return None
    remedy = f"remove {sharing.address(path)} if no night runs with this storage"
    return read_dataclass(Lease, path, remedy=remedy)


def _held(held: Lease, path: Path, sharing: Sharing) -> NightHeldError:
    storage, lease = sharing.address(path.parent.parent), sharing.address(path)
    return NightHeldError(
        f"one night at a time uses {storage}, it is held by {held.host} since {held.since}, until "
        f"{held.until} at most: nothing was started (if that night was killed, remove {lease})"
    )
