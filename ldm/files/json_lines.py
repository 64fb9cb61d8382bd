"""JSON Lines: a file with one JSON value per line. A killed writer may leave an incomplete line."""

import json
import os
from pathlib import Path
from typing import Any

from ldm.errors import InputError


def append_line(path: Path, value: object, *, is_synced: bool = False) -> None:
    """Append a value as one line. If the disk is full, the file stays as it was.

    With ``is_synced`` the line is on disk when this returns. Only one process may write at a time.
    """
    left = json.dumps(value).encode() + b"\n"
    with path.open("ab", buffering=0) as stream:
        before = stream.tell()
        try:
            while left:
                left = left[stream.write(left) :]
            if is_synced:
                os.fsync(stream.fileno())
        except OSError:
            stream.truncate(before)
            raise


def cut_half_line(path: Path) -> None:
    """Remove an incomplete last line, if there is one."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb+") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read() != b"\n":
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)


def read_complete_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file, one a line. Without a file, the list is empty.

    An incomplete last line, which a killed writer left, is removed from the file. Raises InputError
    if another line is not a JSON object.
    """
    if not path.is_file():
        return []
    try:
        text = path.read_text()
        complete = text[: text.rfind("\n") + 1]
        values = [json.loads(line) for line in complete.split("\n")[:-1]]
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error})", remedy="remove it") from error
    if not all(isinstance(value, dict) for value in values):
        raise InputError(
            f"each line of {path} must be a JSON object", seen="one is not", remedy="remove it"
        )
    if complete != text:
        path.write_text(complete)
    return values
