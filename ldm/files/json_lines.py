"""JSON Lines: a file with one JSON value per line.

A killed writer may leave an incomplete line at the end. Network file systems leave blank lines, and
two values in one line. Both lose nothing and are read; anything else in a line is an error.
"""

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

    Blank lines are skipped, and objects that share a line are returned one by one. An incomplete
    last line is removed from the file. Raises InputError, which names the line, if anything but
    objects is in a line, or if the file cannot be read.
    """
    return _read(path, dict, "JSON objects")


def read_complete_lists(path: Path) -> list[list[Any]]:
    """Return the JSON lists of a file, as ``read_complete_lines`` returns objects."""
    return _read(path, list, "JSON lists")


def json_texts(line: str) -> list[str]:
    """Return the text of each JSON value in a line. It may be blank, or hold several values.

    Raises ValueError if anything else is in the line.
    """
    texts: list[str] = []
    left = line.strip()
    while left:
        try:
            _, n_read = json.JSONDecoder().raw_decode(left)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        texts.append(left[:n_read])
        left = left[n_read:].strip()
    return texts


def _read(path: Path, kind: type, kind_name: str) -> list[Any]:
    if not path.exists():
        return []
    try:
        cut_half_line(path)
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error})") from error
    values: list[Any] = []
    for n_line, line in enumerate(lines, 1):
        try:
            found = [json.loads(text) for text in json_texts(line.decode())]
        except ValueError:
            found = [None]
        if not all(isinstance(value, kind) for value in found):
            raise InputError(
                f"each line must hold {kind_name}",
                seen=f"line {n_line} is {line[:60]!r}, {len(line)} bytes long",
                place=path,
                remedy="restore the file from a backup, or remove that line",
            )
        values += found
    return values
