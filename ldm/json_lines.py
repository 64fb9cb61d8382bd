"""A file of JSON, one value a line, that grows; a kill may leave half a line at its end."""

import json
from pathlib import Path
from typing import Any


def read_whole_lines(path: Path) -> list[dict[str, Any]]:
    """The values of a file, none if it is not there. Half a line is cut off: it was never kept."""
    if not path.is_file():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]
