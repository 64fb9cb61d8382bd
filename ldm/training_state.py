"""What checkpoints of every training are made of: tensors, the state of optimizers, JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ldm.errors import InputError
from ldm.files.json_file import read_object
from ldm.fingerprints import fingerprint


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """The state of each parameter by name; its groups are JSON and go elsewhere."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}{index}.{name}": value
        for index, slots in state.items()
        for name, value in slots.items()
    }


def load_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: dict[str, Tensor],
    groups: list[dict[str, Any]],
    *,
    n_steps: int,
) -> None:
    """The inverse of ``optimizer_tensors``, given what it returned without the prefix.

    Raises ValueError unless each weight has a state, or none before the first of ``n_steps``.
    """
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        slots.setdefault(int(index), {})[name] = value
    expected = {index for group in groups for index in group["params"]} if n_steps else set()
    if slots.keys() != expected:
        raise ValueError(
            f"after {n_steps} steps an optimizer has a state of {len(expected)} tensors, there are "
            f"{len(slots)}"
        )
    optimizer.load_state_dict({"state": slots, "param_groups": groups})


def read_state(folder: Path, config: object, *, option: str) -> dict[str, Any]:
    """``state.json`` of a checkpoint; raises InputError for that of another configuration.

    ``option`` names another folder on the command line.
    """
    state = read_object(folder / "state.json", remedy="remove its folder")
    if state.get("config") != fingerprint(config):
        raise InputError(
            f"{folder} was written by configuration {state.get('config')}, this one is "
            f"{fingerprint(config)}: resume with the same options, or use another {option}"
        )
    return state


@contextmanager
def refusing_incomplete_checkpoint(folder: Path) -> Iterator[None]:
    """Turn errors of the block that restores a checkpoint into an InputError naming its folder."""
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder} does not hold a whole checkpoint ({error}): remove that folder"
        ) from error


def part_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file; tensors that share memory are kept apart."""
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; raises InputError when it is missing or damaged."""
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is missing or damaged ({error}): remove its folder") from error
    return tensors
