"""A lease that lets one night at a time use a storage at a URL.

Machines that share no folder cannot share a file lock. Instead, a night writes an object, the
lease, with its host and its end to the URL, and removes it afterwards. The lease of a killed night
expires 15 minutes after that night would have ended.
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
    """Says which host uses a storage, since when and until when. Times are ISO 8601.

    ``key`` is random and tells leases of the same host apart.
    """

    host: str
    since: str
    until: str
    key: str


@contextmanager
def night_lease(folder: Path, sharing: Sharing, end: datetime) -> Iterator[None]:
    """Hold the lease of a storage at a URL within the context.

    Does nothing for a shared folder, where ``night_lock`` is enough. ``folder`` is the folder of
    the nights' reports in the storage. ``end`` is when the night has to end. The lease expires 15
    minutes later.

    The caller must hold ``night_lock``, so that no other night runs on this machine. A lease of
    this same host therefore belongs to a killed night, and is replaced. Raises NightHeldError if
    another host holds a lease that has not expired.
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
        if _read(path, sharing) == lease:  # otherwise it expired and another night took over
            sharing.remove(path)


def _now() -> datetime:
    return datetime.now().astimezone()


def _read(path: Path, sharing: Sharing) -> Lease | None:
    # A local copy with the same second and size would count as up to date.
    path.unlink(missing_ok=True)
    if not sharing.fetch(path):
        return None
    remedy = f"remove {sharing.address(path)} if no night runs with this storage"
    return read_dataclass(Lease, path, remedy=remedy)


def _held(held: Lease, path: Path, sharing: Sharing) -> NightHeldError:
    storage, lease = sharing.address(path.parent.parent), sharing.address(path)
    return NightHeldError(
        f"only one night at a time can use {storage}, and {held.host} has used it since "
        f"{held.since} (until {held.until} at most): nothing was started. If that night was "
        f"killed, remove {lease}"
    )
