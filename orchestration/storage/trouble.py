"""Find out whether a storage became unusable during a sweep: full, read-only or unreachable."""

import errno
import os
import tempfile
from pathlib import Path

from ldm.errors import InputError
from orchestration.storage.sharing import SHARED_FOLDER, Sharing

REASONS = {
    errno.ENOSPC: "it is full",
    errno.EDQUOT: "your quota is used up",
    errno.EROFS: "it has become read-only",
}
PROBE_BYTES = 2**20
AGAIN = "fix that and run the same command again, its trials resume from their last checkpoint"


def trouble(storage: Path, sharing: Sharing = SHARED_FOLDER) -> InputError | None:
    """Return the error of a storage that can no longer be written to, or None if it still can.

    ``storage`` is the storage folder on this node, into which 1 MiB is written as a test. For a
    URL, writing to the URL is tested too. Raises OSError if writing fails for a reason that is not
    in ``REASONS``.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=storage, prefix=".probe-") as probe:
            probe.write(b"\0" * PROBE_BYTES)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        if error.errno not in REASONS:
            raise
        return InputError(
            f"the sweep must be able to write to {storage}",
            seen=REASONS[error.errno],
            remedy=AGAIN,
        )
    try:
        sharing.check(writes=True)
    except InputError as error:
        return InputError(error.rule, seen=error.seen, remedy=f"{error.remedy}; {AGAIN}")
    return None
