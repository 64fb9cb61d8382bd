"""Write JSON files atomically, and read them with an InputError that names a damaged file."""

import json
import os
from pathlib import Path
from typing import Any, TypeVar

from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.dataclass_json import from_dict, to_dict

Kind = TypeVar("Kind")

MAX_JSON_BYTES = 1 << 26  # 64 MiB; the manifest of 420 scans has about 0.3 MiB
MADE_AGAIN = "remove it, it is made again"
NOT_MADE_AGAIN = "restore it from a backup, because nothing makes it again"


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises InputError if it has more than 64 MiB, and OSError if it cannot be read.
    """
    with path.open("rb") as stream:
        content = stream.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise InputError(
            f"a JSON or CSV file must have at most {MAX_JSON_BYTES} bytes",
            seen=f"{path} has more",
            remedy="check what wrote it",
        )
    return content


def read_json(path: Path, *, remedy: str = MADE_AGAIN) -> Any:
    """Return the JSON value in a file.

    Raises InputError if the file is missing, damaged, too large or nested too deeply. ``remedy`` is
    what the error tells the user to do.
    """
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: neither JSON nor text
        raise InputError(f"{path} is missing or damaged ({error})", remedy=remedy) from error


def read_object(path: Path, *, remedy: str = MADE_AGAIN) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises InputError in the same cases as ``read_json``, and if the file holds a value of another
    kind. ``remedy`` is what the error tells the user to do.
    """
    values = read_json(path, remedy=remedy)
    if not isinstance(values, dict):
        raise InputError(
            f"{path} must hold a JSON object",
            seen=f"it holds {type(values).__name__}",
            remedy=remedy,
        )
    return values


def read_dataclass(kind: type[Kind], path: Path, *, remedy: str = MADE_AGAIN) -> Kind:
    """Return the dataclass that ``write_dataclass`` wrote to a file.

    Raises InputError, which names the file, if it does not hold exactly this dataclass.
    """
    values = read_object(path, remedy=remedy)
    try:
        return from_dict(kind, values)
    except InputError as error:
        raise InputError(str(error), place=path, remedy=remedy) from error


def write_json(path: Path, value: object, *, mode: int = 0o666) -> None:
    """Write a JSON value atomically. Missing folders are made.

    ``mode`` are the file's permissions, from which the umask is subtracted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.unlink(missing_ok=True)  # a killed process may have left one with another mode
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as stream:
            stream.write(json.dumps(value, indent=1))


def write_dataclass(path: Path, value: object, *, mode: int = 0o666) -> None:
    """Write a dataclass as JSON, as ``write_json`` does. ``read_dataclass`` reads it."""
    write_json(path, to_dict(value), mode=mode)
