"""Convert dataclasses to JSON values and back.

Writing uses the standard library. Reading uses pydantic, which is imported by the first read, so
that a program that only shows its help starts quickly.
"""

import dataclasses
import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ldm.errors import InputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

Config = TypeVar("Config")
_READERS: dict[type, "TypeAdapter[Any]"] = {}
WRONG_KEYS = {"missing", "unexpected_keyword_argument"}  # pydantic's names of these errors


def to_dict(config: object) -> dict[str, Any]:
    """Return a dataclass as plain JSON values: tuples as lists, enumerations as their values."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(cast("Any", config))))
    return plain


def from_dict(kind: type[Config], values: dict[str, Any]) -> Config:
    """Return the dataclass that ``to_dict`` turned into ``values``.

    Nothing is converted, except whole numbers for fields of type float. Raises InputError for
    unknown or missing keys, for values of another type, and for numbers that are not finite.
    """
    from pydantic import ValidationError

    if not isinstance(values, dict):
        raise InputError(f"expected the fields of {kind.__name__}", seen=f"got {values!r:.80}")
    try:
        return _reader(kind).validate_json(json.dumps(values))
    except ValidationError as error:
        raise _explained(kind, error) from error
    except RecursionError as error:
        raise InputError(f"{kind.__name__} is nested too deeply") from error


def flat(config: object) -> dict[str, str | int | float | bool | None]:
    """Return every field by its dotted path, tuples as text: the parameters that tracking shows."""
    found: dict[str, str | int | float | bool | None] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{prefix}.{key}" if prefix else key, inner)
        else:
            found[prefix] = ", ".join(map(str, value)) if isinstance(value, list) else value

    visit("", to_dict(config))
    return found


def _reader(kind: type[Config]) -> "TypeAdapter[Config]":
    """Return the strict reader of a dataclass and of those nested in it. It is made only once."""
    from pydantic import ConfigDict, TypeAdapter, with_config

    if kind not in _READERS:
        rules = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
        _READERS[kind] = TypeAdapter(with_config(rules)(kind))
    return _READERS[kind]


def _explained(kind: type, error: "ValidationError") -> InputError:
    """Return pydantic's error as an InputError.

    It names all unknown and missing keys of one dataclass or, if there are none, the first wrong
    value.
    """

    def named(place: tuple[int | str, ...]) -> str:
        return ".".join([kind.__name__, *map(str, place)])

    details = error.errors(include_url=False)
    keys = [one for one in details if one["type"] in WRONG_KEYS and isinstance(one["loc"][-1], str)]
    if not keys:
        first = details[0]
        rule = first["msg"].replace("Input should", "must")
        return InputError(rule, seen=f"got {first['input']!r:.80}", place=named(first["loc"]))
    parent = keys[0]["loc"][:-1]
    lacks, unknown = (
        sorted(str(one["loc"][-1]) for one in keys if (one["loc"][:-1], one["type"]) == (parent, t))
        for t in sorted(WRONG_KEYS)
    )
    return InputError(
        f"{named(parent)} has unknown keys {unknown} and lacks {lacks}",
        remedy="was it written by another version?",
    )
