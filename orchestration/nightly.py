"""Search unattended for a night: ``pancreatune nightly --config nightly.yaml``."""

from datetime import datetime
from pathlib import Path

from rich.console import Console

from orchestration.cluster import present_token
from orchestration.night.config import read_nightly_config
from orchestration.night.lease import night_lease
from orchestration.night.lock import NightHeldError, night_lock
from orchestration.night.night import REPORTS, Night
from orchestration.storage.mirror import sharing_of

TRY_LATER = 75  # EX_TEMPFAIL of sysexits.h


def run_night(config: Path, until_s: float | None, console: Console) -> int:
    """Run a night and write its report.

    ``config`` is the file ``nightly.yaml``. ``until_s`` is the end of the night as Unix time. If it
    is None, the file says when the night ends.

    Returns 0 if nothing needs attention, 1 if something does, and TRY_LATER if another night is
    using the storage. Raises InputError if the configuration is wrong or its storage cannot be
    reached.
    """
    night = read_nightly_config(config)
    begun = datetime.now().astimezone()
    end = datetime.fromtimestamp(until_s).astimezone() if until_s else night.ends_after(begun)
    if night.cluster or night.address:
        present_token()
    sharing, folder = sharing_of(night.storage), night.folder / REPORTS
    sharing.check(writes=True)
    try:
        with night_lock(folder) as lock, night_lease(folder, sharing, end):
            return Night(night, begun=begun, end=end, lock=lock, console=console).run()
    except NightHeldError as error:
        console.print(str(error))
        return TRY_LATER
