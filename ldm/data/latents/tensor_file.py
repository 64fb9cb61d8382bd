"""Read the file that a latent store keeps for one scan: checked arrays, and its description."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ldm.errors import InputError

# The type and the number of axes of each array; all others are slices for the contact sheet.
TENSORS = {"hu": (np.int16, 3), "mean": (np.float16, 4), "std": (np.float16, 4)}
PLANE = (np.int16, 2)


def read_tensors(path: Path, names: tuple[str, ...]) -> list[NDArray[np.generic]]:
    """Read the arrays ``names`` of a scan's file, in this order.

    Raises InputError if the file cannot be read, if it lacks an array, or if an array has another
    data type or number of axes than expected.
    """
    with _opened(path) as file:
        arrays: list[NDArray[np.generic]] = [file.get_tensor(name) for name in names]
    for name, array in zip(names, arrays, strict=True):
        kind, n_axes = TENSORS.get(name, PLANE)
        if array.dtype != kind or array.ndim != n_axes:
            raise InputError(
                f"{name} must be {np.dtype(kind)} of {n_axes} axes",
                seen=f"that of {path} is {array.dtype} of shape {array.shape}",
                remedy=prepare_again(path),
            )
    return arrays


def read_description(path: Path) -> Any:
    """Return the description of a scan, as plain JSON values, from the metadata of its file.

    Raises InputError if the file cannot be read or has no description.
    """
    with _opened(path) as file:
        return json.loads((file.metadata() or {})["scan"])


def prepare_again(path: Path) -> str:
    """Return a remedy for error messages: what to do if ``path``, a file of a store, is damaged."""
    return f"remove the folder {path.parent.parent} and prepare again"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open the file of a scan for reading.

    An error inside the block becomes an InputError, for example if an array is missing.
    """
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error})", remedy=prepare_again(path)) from error
