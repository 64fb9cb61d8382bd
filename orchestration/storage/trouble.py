"""A storage that takes no more: full, or become read-only, while a sweep runs."""

import errno
import os
import tempfile
from pathlib import Path

from ldm.errors import InputError

REASONS = {
    errno.ENOSPC: "it is full",
    errno.EDQUOT: "your quota is used up",
    errno.EROFS: "it has become read-only",
}
PROBE_BYTES = 2**20


def trouble(storage: Path) -> InputError | None:
    """What is wrong with a storage that a sweep wrote to before; None where it takes a MiB.

    Raises OSError for a trouble of another kind.
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
            f"the sweep must be able to write to {storage}, {REASONS[error.errno]}: mend that and "
            "run the same command again, its trials go on from their last checkpoint"
        )
    return None
