"""JSON files: written atomically, read with an InputError that names a damaged or hostile file."""

import json
import os
from pathlib import Path
from typing import Any, TypeVar

from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.dataclass_json import from_dict, to_dict

Kind = TypeVar("Kind")

MAX_JSON_BYTES = 1 << 26  # 64 MiB; the manifest of 420 scans has a third of one
MADE_AGAIN = "remove it, it is made again"


def read_bytes(path: Path) -> bytes:
    """The bytes of a file of at most 64 MiB; raises OSError, or InputError for a larger one."""
    with path.open("rb") as stream:
        content = stream.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise InputError(
            f"a file of JSON or CSV has at most {MAX_JSON_BYTES} bytes, {path} has more: look at "
            "what wrote it"
        )
    return content


def read_json(path: Path, *, remedy: str = MADE_AGAIN) -> Any:
    """The value in a file; raises InputError when it is missing, damaged or nested without end."""
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: neither JSON nor text
        raise InputError(f"{path} is missing or damaged ({error}): {remedy}") from error


def read_object(path: Path, *, remedy: str = MADE_AGAIN) -> dict[str, Any]:
    """The JSON object in a file; raises InputError for any other value too."""
    values = read_json(path, remedy=remedy)
    if not isinstance(values, dict):
        raise InputError(
            f"{path} must hold a JSON object, it holds {type(values).__name__}: {remedy}"
        )
    return values


def read_dataclass(kind: type[Kind], path: Path, *, remedy: str = MADE_AGAIN) -> Kind:
    """What ``to_dict`` of a dataclass was written to a file; raises InputError naming the file."""
    values = read_object(path, remedy=remedy)
    try:
        return from_dict(kind, values)
    except InputError as error:
        raise InputError(str(error), place=path, remedy=remedy) from error


def write_json(path: Path, value: object, *, mode: int = 0o666) -> None:
    """Write a JSON value atomically, and the folders above it; ``mode`` is limited by the umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.unlink(missing_ok=True)  # one that a killed process left may have another mode
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as stream:
            stream.write(json.dumps(value, indent=1))


def write_dataclass(path: Path, value: object, *, mode: int = 0o666) -> None:
    """Write a dataclass so that ``read_dataclass`` reads it, as ``write_json`` does."""
    write_json(path, to_dict(value), mode=mode)
