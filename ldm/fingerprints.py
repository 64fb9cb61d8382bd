"""Short names of configurations, texts and files, derived from their content.

Imports no torch.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from ldm.files.dataclass_json import from_dict, to_dict
from ldm.later_fields import has_later_default

N_DIGITS = 12


def fingerprint(config: object) -> str:
    """Return 12 hexadecimal digits that identify a configuration.

    The digits change if any field changes. Equal numbers, such as 1 and 1.0, give equal digits. The
    digits do not depend on the version of this program (see ``ldm.later_fields``).
    """
    return digest(json.dumps(canonical(config), sort_keys=True))


def canonical(config: object) -> dict[str, Any]:
    """Return a configuration as a dictionary with the types that its fields declare.

    For example, 1 becomes 1.0 in a field of type float, as after writing and reading JSON. Fields
    that were added later and have their defaults are left out.
    """
    typed = from_dict(type(config), to_dict(config))
    plain = to_dict(typed)
    _drop_later_defaults(typed, plain)
    return plain


def _drop_later_defaults(config: Any, plain: dict[str, Any]) -> None:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if has_later_default(field, value):
            del plain[field.name]
        elif dataclasses.is_dataclass(value):
            _drop_later_defaults(value, plain[field.name])


def digest(text: str) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:N_DIGITS]


def file_digest(path: Path) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:N_DIGITS]
