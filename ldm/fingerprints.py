"""Short names of configurations, texts and files, derived from their content.

Imports no torch.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ldm.files.dataclass_json import from_dict, to_dict

N_DIGITS = 12


def fingerprint(config: object) -> str:
    """Return 12 hexadecimal digits that identify a configuration.

    The digits change if any field changes. Equal numbers, such as 1 and 1.0, give equal digits.
    """
    return digest(json.dumps(canonical(config), sort_keys=True))


def canonical(config: object) -> dict[str, Any]:
    """Return a configuration as a dictionary with the types that its fields declare.

    For example, 1 becomes 1.0 in a field of type float, as after writing and reading JSON.
    """
    return to_dict(from_dict(type(config), to_dict(config)))


def digest(text: str) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:N_DIGITS]


def file_digest(path: Path) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:N_DIGITS]
