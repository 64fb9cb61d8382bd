"""A file of JSON, one value a line, that grows; a kill may leave half a line at its end."""

import json
import os
from pathlib import Path
from typing import Any

from ldm.errors import InputError


def append_line(path: Path, value: object, *, is_synced: bool = False) -> None:
    """Add a value; where the disk takes only half of its line, the file stays as it was.

    With ``is_synced`` it is on disk when this returns. For one writer at a time.
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
    """Remove what stands after the last line, if anything does: it was never kept."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb+") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read() != b"\n":
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)


def read_whole_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file, none if it is not there; raises InputError for a line that is none.

    Half a line at the end is cut off: it was never kept.
    """
    if not path.is_file():
        return []
    try:
        text = path.read_text()
        whole = text[: text.rfind("\n") + 1]
        values = [json.loads(line) for line in whole.split("\n")[:-1]]
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}): remove it") from error
    if not all(isinstance(value, dict) for value in values):
        raise InputError(f"each line of {path} must be a JSON object, one is not: remove it")
    if whole != text:
        path.write_text(whole)
    return values
