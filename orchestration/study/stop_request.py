"""A request that a trial ends early, as a file in its folder.

The worker that trains looks for it after each epoch and ends in order, so that nothing it holds is
left behind. The file stays, so a worker that crashed meanwhile ends too when it is started again.
"""

from pathlib import Path

from ldm.files.json_file import NOT_MADE_AGAIN, read_dataclass, write_dataclass
from orchestration.study.outcomes import EarlyEnd

STOP_FILE = "stop.json"


def write_stop(folder: Path, request: EarlyEnd) -> Path:
    """Write a request into the folder of a trial. Returns the path of the file."""
    write_dataclass(folder / STOP_FILE, request)
    return folder / STOP_FILE


def read_stop(folder: Path) -> EarlyEnd | None:
    """Return the request in the folder of a trial, or None if there is none."""
    path = folder / STOP_FILE
    return read_dataclass(EarlyEnd, path, remedy=NOT_MADE_AGAIN) if path.is_file() else None
