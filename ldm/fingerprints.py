"""Short names by content: of configurations, texts and files. Imports no torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ldm.files.dataclass_json import from_dict, to_dict

N_DIGITS = 12  # hexadecimal


def fingerprint(config: object) -> str:
    """Twelve hexadecimal digits that change whenever any field does; 1 and 1.0 are one value."""
    return digest(json.dumps(canonical(config), sort_keys=True))


def canonical(config: object) -> dict[str, Any]:
    """A configuration as it is after it was written and read: 1 is 1.0 where a field is a float."""
    return to_dict(from_dict(type(config), to_dict(config)))


def digest(text: str) -> str:
    """Twelve hexadecimal digits of SHA-256: short names for what made an artifact."""
    return hashlib.sha256(text.encode()).hexdigest()[:N_DIGITS]


def file_digest(path: Path) -> str:
    """Twelve hexadecimal digits of a file's SHA-256."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:N_DIGITS]
