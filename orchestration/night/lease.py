"""A lease that lets one night at a time use a storage at a URL.

The lease of a killed night expires 15 minutes after that night would have ended.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from orchestration.night.lock import NightHeldError
from orchestration.storage.lease import Lease, LeaseHeldError, drop_lease, take_lease, this_lease
from orchestration.storage.sharing import SHARED_FOLDER, Sharing

LEASE_FILE = "lease"
SPARE = timedelta(minutes=15)  # for the report, which is written after the night's end


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
    path, lease = folder / LEASE_FILE, this_lease(end + SPARE)
    try:
        take_lease(path, sharing, lease, is_free=_is_over)
    except LeaseHeldError as error:
        raise _held(error.held, path, sharing) from error
    try:
        yield
    finally:
        drop_lease(path, sharing, lease)


def _is_over(held: Lease) -> bool:
    return held.host == socket.gethostname() or held.has_expired


def _held(held: Lease, path: Path, sharing: Sharing) -> NightHeldError:
    storage, lease = sharing.address(path.parent.parent), sharing.address(path)
    return NightHeldError(
        f"only one night at a time can use {storage}, and {held.host} has used it since "
        f"{held.since} (until {held.until} at most): nothing was started. If that night was "
        f"killed, remove {lease}"
    )
