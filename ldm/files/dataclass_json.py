"""Dataclasses as JSON and back: exact inverses; unknown keys raise. Standard library only."""

import dataclasses
import json
import math
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ldm.errors import InputError, require

Config = TypeVar("Config")
_TYPES: dict[type, dict[str, Any]] = {}


def to_dict(config: object) -> dict[str, Any]:
    """A configuration as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(cast("Any", config))))
    return plain


def from_dict(kind: type[Config], values: dict[str, Any]) -> Config:
    """The inverse of ``to_dict``; raises InputError on unknown or missing keys."""
    require(isinstance(values, dict), f"expected the fields of {kind.__name__}", repr(values))
    hints = _hints(kind)
    unknown, missing = set(values) - set(hints), _required(kind) - set(values)
    if unknown or missing:
        raise InputError(
            f"{kind.__name__} has unknown keys {sorted(unknown)} and lacks {sorted(missing)}: "
            "was it written by another version?"
        )
    return kind(**{name: _value(hints[name], value) for name, value in values.items()})


def flat(config: object) -> dict[str, str | int | float | bool | None]:
    """Every field by its dotted path, tuples as text: the parameters that tracking shows."""
    found: dict[str, str | int | float | bool | None] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{prefix}.{key}" if prefix else key, inner)
        else:
            found[prefix] = ", ".join(map(str, value)) if isinstance(value, list) else value

    visit("", to_dict(config))
    return found


def _hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass' fields, resolved once."""
    if kind not in _TYPES:
        _TYPES[kind] = get_type_hints(kind)
    return _TYPES[kind]


def _required(kind: type) -> set[str]:
    return {
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }


def _value(hint: Any, value: Any) -> Any:
    """``value`` as the type that a field asks for."""
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        hint = next(inner for inner in get_args(hint) if inner is not type(None))
    if get_origin(hint) is tuple:
        return _items(get_args(hint), value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_dict(hint, value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        require(value in list(hint), f"expected one of {[str(m) for m in hint]}", repr(value))
        return hint(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return _as_float(value)
    plain = get_origin(hint) or hint
    is_finite = not isinstance(value, float) or math.isfinite(value)
    is_number_bool = isinstance(value, bool) and plain is not bool
    if not isinstance(value, plain) or not is_finite or is_number_bool:
        raise InputError(f"expected a finite {plain.__name__}, got {value!r}")
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise InputError(
            "expected a finite float, got a whole number of 309 digits or more"
        ) from error


def _items(kinds: tuple[Any, ...], values: Any) -> tuple[Any, ...]:
    """A tuple of any length (``kinds`` ends with an ellipsis) or of one item a kind."""
    require(isinstance(values, list), "expected a list", repr(values))
    n = len(values) if kinds[-1] is Ellipsis else len(kinds)
    require(len(values) == n, f"expected {n} items", repr(values))
    return tuple(_value(kinds[0], item) for item in values)
