"""Store observations on disk, so that each real scan of a cohort is observed only once.

An observation is all that the scores need to know of one volume. A safetensors file holds the
arrays of several observations; the name of an array is the number of its observation and what it
holds. All other fields are JSON in the header of the file.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from evaluation.observation import Observation, OrganFinding
from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.dataclass_json import from_dict, to_dict

# Part of the name of folders with observations. Increase it if observing a volume changes.
OBSERVATION_VERSION = 1
READ_ERRORS = (
    OSError,
    SafetensorError,
    KeyError,
    TypeError,
    ValueError,
    RecursionError,
    InputError,
)
ARRAYS = ("body_histogram", "grid_histogram", "thumbnail")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The fields of one observation that are not arrays."""

    name: str
    networks: tuple[str, ...]
    organs: tuple[OrganFinding, ...]
    is_failed: bool


def save_observations(path: Path, observations: Sequence[Observation]) -> None:
    """Write a set of observations to a file. Missing folders are made.

    The file appears under its name only when it is complete.
    """
    tensors: dict[str, NDArray[np.generic]] = {}
    headers = []
    for index, one in enumerate(observations):
        tensors |= {f"{index}.{name}": np.asarray(getattr(one, name)) for name in ARRAYS}
        tensors |= {f"{index}.features.{n}": np.asarray(f) for n, f in one.features.items()}
        header = _Header(
            name=one.name,
            networks=tuple(one.features),
            organs=one.organs,
            is_failed=one.is_failed,
        )
        headers.append(to_dict(header))
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with atomic_write(path) as file:
        save_file(contiguous, file, metadata={"observations": json.dumps(headers)})


def load_observations(path: Path) -> tuple[Observation, ...]:
    """Read the observations that ``save_observations`` wrote.

    Raises InputError if the file is missing, damaged or not a file of observations.
    """
    try:
        with safe_open(path, framework="np") as file:
            plain = json.loads((file.metadata() or {})["observations"])
        arrays = load_file(path)
        headers = [from_dict(_Header, one) for one in plain]
        return tuple(_observation(arrays, index, header) for index, header in enumerate(headers))
    except READ_ERRORS as error:
        raise InputError(
            f"{path} cannot be read as observations ({error})",
            remedy="remove it, the observations are made again",
        ) from error


def _observation(arrays: dict[str, NDArray[Any]], index: int, header: _Header) -> Observation:
    features = {n: arrays[f"{index}.features.{n}"] for n in header.networks}
    body, grid, small = (arrays[f"{index}.{name}"] for name in ARRAYS)
    return Observation(
        name=header.name,
        body_histogram=body,
        grid_histogram=grid,
        thumbnail=small,
        features=features,
        organs=header.organs,
        is_failed=header.is_failed,
    )
