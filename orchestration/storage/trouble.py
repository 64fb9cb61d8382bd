"""A storage that takes no more while a sweep runs: full, become read-only, or out of reach."""

import errno
import os
import tempfile
from pathlib import Path

from ldm.errors import InputError
from orchestration.storage.sharing import SHARED_FOLDER, SharedFolder

REASONS = {
    errno.ENOSPC: "it is full",
    errno.EDQUOT: "your quota is used up",
    errno.EROFS: "it has become read-only",
}
PROBE_BYTES = 2**20
AGAIN = "mend that and run the same command again, its trials go on from their last checkpoint"


def trouble(storage: Path, sharing: SharedFolder = SHARED_FOLDER) -> InputError | None:
    """What is wrong with a storage that a sweep wrote to before; None where it takes a MiB.

    Of a URL the mirror is looked at, and then whether an object can be written. Raises OSError for
    a trouble of another kind.
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
            f"the sweep must be able to write to {storage}, {REASONS[error.errno]}: {AGAIN}"
        )
    try:
        sharing.check(writes=True)
    except InputError as error:
        return InputError(f"{error}; {AGAIN}")
    return None
