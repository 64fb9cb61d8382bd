"""One night at a time where the storage is a URL: a lease that lies there and runs out.

Machines that share no folder share no lock of a kernel. A lease names its night until that is over;
one of a night that was killed ends when that night would have.
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
from orchestration.storage.sharing import SHARED_FOLDER, SharedFolder

LEASE_FILE = "lease"
SETTLE_S = 2.0  # of two that find no lease in the same moment the later writer has it
SPARE = timedelta(minutes=15)  # a night ends by its hour, its report is written after


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Which night holds a storage, and until when at most; ``key`` tells two of a host apart."""

    host: str
    since: str
    until: str
    key: str


@contextmanager
def night_lease(folder: Path, sharing: SharedFolder, end: datetime) -> Iterator[None]:
    """Hold the lease of a URL; nothing where all machines see one folder, which has a lock.

    Who calls holds this machine's lock: a lease of this host is of a night that was killed.
    Raises NightHeldError.
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
        if _read(path, sharing) == lease:  # else it ran out, and another night has taken over
            sharing.remove(path)


def _now() -> datetime:
    return datetime.now().astimezone()


def _read(path: Path, sharing: SharedFolder) -> Lease | None:
    path.unlink(missing_ok=True)  # another of the same second and length would pass for it
    if not sharing.fetch(path):
        return None
    remedy = f"remove {sharing.address(path)} if no night runs with this storage"
    return read_dataclass(Lease, path, remedy=remedy)


def _held(held: Lease, path: Path, sharing: SharedFolder) -> NightHeldError:
    storage, lease = sharing.address(path.parent.parent), sharing.address(path)
    return NightHeldError(
        f"one night at a time uses {storage}, it is held by {held.host} since {held.since}, until "
        f"{held.until} at most: nothing was started (if that night was killed, remove {lease})"
    )
