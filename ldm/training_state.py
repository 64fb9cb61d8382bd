"""The parts of a training's checkpoint: tensors, the state of optimizers, and JSON."""

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
    """Return the tensors of an optimizer's state, named ``<prefix><parameter index>.<name>``.

    The parameter groups are not included: they are JSON values and are stored elsewhere.
    """
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
    """Restore the state of an optimizer from ``optimizer_tensors`` without the prefix.

    ``groups`` are its parameter groups and ``n_steps`` the number of steps taken. Raises ValueError
    unless every parameter has a state or, before the first step, none has.
    """
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        slots.setdefault(int(index), {})[name] = value
    expected = {index for group in groups for index in group["params"]} if n_steps else set()
    if slots.keys() != expected:
        raise ValueError(
            f"after {n_steps} steps an optimizer has a state for {len(expected)} parameters, got "
            f"{len(slots)}"
        )
    optimizer.load_state_dict({"state": slots, "param_groups": groups})


def read_state(folder: Path, config: object, *, option: str) -> dict[str, Any]:
    """Return ``state.json`` of a checkpoint.

    ``option`` is the command-line option for the folder, which the error names. Raises InputError
    if the file cannot be read, or if another configuration wrote it.
    """
    state = read_object(folder / "state.json", remedy="remove its folder")
    if state.get("config") != fingerprint(config):
        raise InputError(
            f"{folder} was written by configuration {state.get('config')}",
            seen=f"this one is {fingerprint(config)}",
            remedy=f"resume with the same options, or use another {option}",
        )
    return state


@contextmanager
def refusing_incomplete_checkpoint(folder: Path) -> Iterator[None]:
    """Turn errors in the block, which restores a checkpoint, into an InputError with its folder."""
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder} does not hold a complete checkpoint ({error})", remedy="remove that folder"
        ) from error


def part_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, with the prefix removed."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file. Tensors that share memory are stored separately."""
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises InputError if it is missing or damaged."""
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is missing or damaged ({error})", remedy="remove its folder"
        ) from error
    return tensors
