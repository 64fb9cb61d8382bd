"""Checkpoints: everything that makes a resumed run equal to one that never stopped.

A checkpoint is a folder with ``tensors.safetensors`` and ``state.json``; weights for sampling are
``sampler.safetensors`` with ``sampler.json``. No pickles.
"""

import json
import operator
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ldm.config import TrialConfig
from ldm.data.latents import WhiteningStatistics
from ldm.dataclass_json import from_dict, to_dict
from ldm.errors import InputError
from ldm.fingerprints import fingerprint
from ldm.json_file import read_object
from ldm.whole_file import whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a run has come. ``step`` counts optimizer steps, ``epoch`` whole passes."""

    epoch: int
    step: int
    first_epoch_loss: float | None


def save_checkpoint(
    folder: Path,
    *,
    config: TrialConfig,
    position: Position,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Write into an existing folder; ``state.json`` comes last and makes it a checkpoint."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    tensors |= optimizer_tensors(optimizer, "optimizer.")
    tensors["generator"] = generator.get_state()
    save_tensors(folder / "tensors.safetensors", tensors)
    write_json(
        folder / "state.json",
        {
            "config": fingerprint(config),
            "position": to_dict(position),
            "optimizer_groups": optimizer.state_dict()["param_groups"],
        },
    )


def load_checkpoint(
    folder: Path,
    *,
    config: TrialConfig,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> Position:
    """Restore all that ``save_checkpoint`` wrote; refuses a checkpoint of another configuration."""
    state = read_state(folder, config, option="--storage")
    tensors = load_tensors(folder / "tensors.safetensors")
    with refusing_less_than_whole(folder):
        position = from_dict(Position, state["position"])
        network.load_state_dict(part_of(tensors, "network."))
        average.load_state_dict(part_of(tensors, "average."))
        slots = part_of(tensors, "optimizer.")
        load_optimizer(optimizer, slots, state["optimizer_groups"], n_steps=position.step)
        generator.set_state(tensors["generator"].cpu())
    return position


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """What an evaluator needs of a trial: the averaged weights and how to undo the whitening."""

    config: TrialConfig
    whitening: WhiteningStatistics
    epoch: int
    weights: dict[str, Tensor]


def save_sampler(folder: Path, sampler: Sampler) -> None:
    """Write the averaged weights for an evaluator; the folder appears when it is complete."""
    temporary = folder.with_name(f".{folder.name}-{os.getpid()}")
    temporary.mkdir(parents=True, exist_ok=True)
    save_tensors(temporary / "sampler.safetensors", sampler.weights)
    meta = {
        "config": to_dict(sampler.config),
        "whitening": to_dict(sampler.whitening),
        "epoch": sampler.epoch,
    }
    write_json(temporary / "sampler.json", meta)
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder / "sampler.json").is_file():
            raise
        shutil.rmtree(temporary)  # a restarted trial writes the epoch that it wrote before


def load_sampler(folder: Path) -> Sampler:
    """The inverse of ``save_sampler``; a file without whitening statistics is refused."""
    meta = read_object(folder / "sampler.json", remedy="remove its folder")
    if "whitening" not in meta:
        raise InputError(f"{folder} lacks whitening statistics: samples would have the wrong HU")
    with refusing_less_than_whole(folder):
        return Sampler(
            config=from_dict(TrialConfig, meta["config"]),
            whitening=from_dict(WhiteningStatistics, meta["whitening"]),
            epoch=operator.index(meta["epoch"]),
            weights=load_tensors(folder / "sampler.safetensors"),
        )


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
def refusing_less_than_whole(folder: Path) -> Iterator[None]:
    """In which a checkpoint is restored: what it lacks or has in another form is an InputError."""
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


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write under a temporary name, then rename."""
    with whole(path) as file:
        file.write_text(json.dumps(values, indent=1))
