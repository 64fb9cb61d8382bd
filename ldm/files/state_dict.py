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
from typing import Any
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
WHOLE = ""  # the key of a file that is a state dict itself
COMPILED = "_orig_mod."  # torch.compile puts it before the names of the network that it wraps
PARALLEL = "module."  # DataParallel and DistributedDataParallel put it before all names
FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")  # how torch names a class that it does not load


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a safetensors or torch file by name.

    Raises InputError as ``read_state_dicts`` does, and if the file holds several state dicts.
    """
    found = read_state_dicts(path)
    if len(found) > 1:
        raise several(path, found)
    ((key, state),) = found.items()
    log_key(path, key)
    return state


def read_state_dicts(path: Path) -> dict[str, dict[str, Tensor]]:
    """Return each state dict in a safetensors or torch file, by its key in the file.

    The key is empty if the file is a state dict itself. The prefixes of wrappers are removed from
    the names: ``module.`` if all names have it, ``_orig_mod.`` wherever it is.

    Raises InputError if the file is missing, damaged or something else than weights, and if it
    holds no mapping of names to tensors.
    """
    refuse_strangers(path)
    content = _read(path)
    found = _state_dicts(content)
    if not found:
        raise InputError(
            f"{path} must hold a mapping of names to tensors",
            seen=f"it holds {_described(content)}",
            remedy="give a state dict of torch, or safetensors",
        )
    return {key: _unwrapped(state) for key, state in found.items()}


def several(path: Path, keys: Iterable[str]) -> InputError:
    """Return the error for a file with several state dicts, of which none can be preferred."""
    keys = sorted(keys)
    return InputError(
        f"{path} must hold one set of weights",
        seen=f"it holds one under each of the keys {', '.join(map(repr, keys))}",
        remedy=f"save the right one alone, for example "
        f"`torch.save(torch.load(FILE)[{keys[0]!r}], NEW_FILE)`",
    )


def log_key(path: Path, key: str) -> None:
    """Write a line to the log that tells under which key of a file the weights were found."""
    if key:
        logging.getLogger(__name__).warning("%s: took the weights under its key %r", path, key)


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


def _state_dicts(content: Any) -> dict[str, Mapping[str, Tensor]]:
    """Return the state dicts in the content of a file: all of it, or the values that are some."""
    if _is_state_dict(content):
        return {WHOLE: content}
    if not isinstance(content, Mapping):
        return {}
    return {str(key): value for key, value in content.items() if _is_state_dict(value)}


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def _described(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    if not content:
        return "nothing"
    kinds = [f"{key!r:.40} ({type(value).__name__})" for key, value in content.items()]
    return f"{', '.join(kinds[:5])}{' and more' if len(kinds) > 5 else ''}"


def _unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without the prefixes that wrappers of a network put before its names."""
    named = {name.replace(COMPILED, ""): value for name, value in state.items()}
    if len(named) < len(state):
        return dict(state)
    while all(name.startswith(PARALLEL) for name in named):
        named = {name.removeprefix(PARALLEL): value for name, value in named.items()}
    return named
