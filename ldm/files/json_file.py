"""JSON from a file that may be damaged or hostile: a value, or our own error naming the file."""

import json
from pathlib import Path
from typing import Any, TypeVar

from ldm.errors import InputError
from ldm.files.dataclass_json import from_dict

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
        raise InputError(f"{path}: {error}: {remedy}") from error
