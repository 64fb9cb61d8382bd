"""Read the tensors of a safetensors or torch file. No code in a file is executed.

A training often writes its weights beside other values: ``{"epoch": 3, "state_dict": {...}}``. This
module finds each mapping of names to tensors in a file, and the prefixes that wrappers such as
DataParallel put before each name.
"""

import logging
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeAlias
from warnings import catch_warnings, filterwarnings
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ldm.errors import InputError
from ldm.files.file_kind import is_safetensors, refuse_strangers

# The errors that safetensors and torch raise for damaged and hostile files, found by fuzzing.
READ_ERRORS = (
    SafetensorError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    RecursionError,
    ImportError,
    struct.error,
    BadZipFile,
)
WHOLE = ""  # where the weights are in a file that is a state dict itself
MAX_DEPTH = 8  # of mappings in one another
PLAIN = (int, float, str, type(None))  # values beside weights, such as a scale factor
Key: TypeAlias = tuple[str, ...]
COMPILED = "_orig_mod."  # torch.compile puts it before the names of the network that it wraps
PARALLEL = "module."  # DataParallel and DistributedDataParallel put it before all names
FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")  # how torch names a class that it does not load


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a safetensors or torch file by name.

    Raises InputError as ``read_state_dicts`` does, and if the file holds several state dicts.
    """
    found = read_state_dicts(path)
    outermost = [key for key in found if len(key) == min(map(len, found))]
    if len(outermost) > 1:
        raise several(path, [".".join(key) for key in outermost])
    log_place(path, ".".join(outermost[0]))
    return found[outermost[0]]


def read_state_dicts(path: Path) -> dict[Key, dict[str, Tensor]]:
    """Return each state dict in a safetensors or torch file, by its keys from the outside in.

    There is no key if the file is a state dict itself. The prefixes of wrappers are removed from
    the names: ``module.`` if all names have it, ``_orig_mod.`` wherever it is. Plain numbers and
    texts beside the tensors are ignored, and a line in the log says so.

    Raises InputError if the file is missing, damaged or something else than weights, and if it
    holds no mapping of names to tensors.
    """
    refuse_strangers(path)
    content = _read(path)
    found = _state_dicts(content, ())
    if not found:
        raise InputError(
            f"{path} must hold a mapping of names to tensors",
            seen=f"it holds {_described(content)}",
            remedy="give a state dict of torch, or safetensors",
        )
    return {key: _unwrapped(_tensors(path, state)) for key, state in found.items()}


def several(path: Path, places: Iterable[str]) -> InputError:
    """Return the error for a file with several state dicts, of which none can be preferred."""
    places = sorted(places)
    return InputError(
        f"{path} must hold one set of weights",
        seen=f"it holds one under each of the keys {', '.join(map(repr, places))}",
        remedy=f"save the right one alone, for example the one of {places[0]!r}: "
        "`torch.save(STATE_DICT, NEW_FILE)`",
    )


def log_place(path: Path, place: str) -> None:
    """Write a line to the log that tells under which key of a file the weights were found."""
    if place:
        logging.getLogger(__name__).warning("%s: took the weights under its key %r", path, place)


def _read(path: Path) -> Any:
    try:
        if is_safetensors(path):
            return load_file(path)
        with path.open("rb") as stream, catch_warnings():  # torch.load decides by a path's suffix
            filterwarnings("ignore", message="Detected pickle protocol 3")
            return torch.load(stream, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # torch's own message advises loading the file unsafely
        raise _pickle_error(path, str(error)) from error
    except READ_ERRORS as error:
        raise InputError(
            f"{path} cannot be read as weights ({error})", remedy="download it again"
        ) from error


def _pickle_error(path: Path, message: str) -> InputError:
    """Return the error for a pickle that torch refused: it names a class, or it is damaged."""
    found = FORBIDDEN.search(message)
    if found is None:
        return InputError(
            f"{path} cannot be read as weights, because its pickle is damaged",
            remedy="download it again",
        )
    return InputError(
        f"{path} holds more than weights ({found[1]}) and was not loaded, because it could run "
        "code",
        remedy="use a file with nothing but weights: where the file was made, save the state dict "
        "of the network alone, `torch.save(network.state_dict(), FILE)`",
    )


def _state_dicts(content: Any, key: Key) -> dict[Key, Mapping[str, Any]]:
    """Return the state dicts in the content of a file: all of it, or what its mappings hold.

    The states of an optimizer are no state dicts: they lie under numbers, inside a mapping.
    """
    if not isinstance(content, Mapping) or len(key) > MAX_DEPTH:
        return {}
    if _is_state_dict(content):
        return {key: content}
    found: dict[Key, Mapping[str, Any]] = {}
    for name, value in content.items():
        if isinstance(name, str) or not key:
            found |= _state_dicts(value, (*key, str(name)))
    return found


def _is_state_dict(value: Mapping[Any, Any]) -> bool:
    """Return True for a mapping of names to tensors.

    Plain values may be beside them if a name has a dot, as the names of a network's weights have.
    """
    if not value or not all(isinstance(name, str) for name in value):
        return False
    named = [name for name, one in value.items() if isinstance(one, Tensor)]
    if len(named) == len(value):
        return True
    is_plain = all(isinstance(one, (Tensor, *PLAIN)) for one in value.values())
    return is_plain and any("." in name for name in named)


def _tensors(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a state dict, and log what is left out."""
    ignored = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if ignored:
        logging.getLogger(__name__).warning(
            "%s: ignored what is not a tensor: %s", path, ", ".join(map(repr, ignored))
        )
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _described(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    if not content:
        return "nothing"
    # What is no tensor comes first: it is why the file is refused.
    items = sorted(content.items(), key=lambda item: isinstance(item[1], Tensor))
    kinds = [f"{key!r:.40} ({type(value).__name__})" for key, value in items]
    return f"{', '.join(kinds[:5])}{' and more' if len(kinds) > 5 else ''}"


def _unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without the prefixes that wrappers of a network put before its names."""
    named = {name.replace(COMPILED, ""): value for name, value in state.items()}
    if len(named) < len(state):
        return dict(state)
    while all(name.startswith(PARALLEL) for name in named):
        named = {name.removeprefix(PARALLEL): value for name, value in named.items()}
    return named
