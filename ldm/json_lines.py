"""A file of JSON, one value a line, that grows; a kill may leave half a line at its end."""

import json
from pathlib import Path
from typing import Any

from ldm.errors import InputError


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
