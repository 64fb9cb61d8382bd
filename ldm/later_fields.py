"""Fields that were added to a dataclass when objects of it were already stored.

Their defaults stand for what the program did before. JSON files without such a field are read as
having its default. Standard library only.
"""

import dataclasses
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

ADDED_LATER = MappingProxyType({"is_added_later": True})  # the metadata of such a field


def has_later_default(field: "dataclasses.Field[Any]", value: object) -> bool:
    """Return True if a field was added later and has its default.

    Fingerprints leave it out, so that they are those of earlier versions.
    """
    return "is_added_later" in field.metadata and value == field.default


def restore_fields(self: Any, values: Sequence[object]) -> None:
    """Restore an object from its pickle, as its ``__setstate__``.

    Fields that were added after the pickle was written get their defaults, so that a session that
    an earlier version of this program began can be resumed.
    """
    fields = dataclasses.fields(self)
    defaults = [one.default for one in fields[len(values) :]]
    for one, value in zip(fields, [*values, *defaults], strict=True):
        object.__setattr__(self, one.name, value)
