"""Checkpoints of an autoencoder's training: folders named by step, the newest two are kept.

``checkpoints/step_0000500`` holds ``tensors.safetensors`` and ``state.json``. No pickles.
"""

import os
import shutil
from pathlib import Path

import torch

from ldm.autoencoder_config import AutoencoderTrainingConfig
from ldm.autoencoder_learner import Learner
from ldm.checkpoint import (
    load_optimizer,
    load_tensors,
    optimizer_tensors,
    part_of,
    read_json,
    save_tensors,
    write_json,
)
from ldm.config import fingerprint
from ldm.errors import InputError

N_KEPT = 2


def save_autoencoder_checkpoint(
    folder: Path,
    *,
    config: AutoencoderTrainingConfig,
    step: int,
    learners: dict[str, Learner],
    generator: torch.Generator,
) -> Path:
    """Write ``folder/step_NNNNNNN``, which appears when it is whole; older ones go."""
    target = folder / f"step_{step:07d}"
    if target.is_dir():
        return target
    temporary = folder / f".{target.name}-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    tensors = {"generator": generator.get_state()}
    for name, learner in learners.items():
        state = learner.network.state_dict()
        tensors |= {f"{name}.network.{key}": value for key, value in state.items()}
        tensors |= optimizer_tensors(learner.optimizer, f"{name}.optimizer.")
    save_tensors(temporary / "tensors.safetensors", tensors)
    groups = {name: one.optimizer.state_dict()["param_groups"] for name, one in learners.items()}
    state = {"config": fingerprint(config), "step": step, "optimizer_groups": groups}
    write_json(temporary / "state.json", state)
    temporary.rename(target)
    for old in _checkpoints(folder)[:-N_KEPT]:
        shutil.rmtree(old)
    return target


def load_autoencoder_checkpoint(
    path: Path,
    *,
    config: AutoencoderTrainingConfig,
    learners: dict[str, Learner],
    generator: torch.Generator,
) -> int:
    """Restore what was saved and return its step; refuses that of another configuration."""
    state = read_json(path / "state.json")
    if state.get("config") != fingerprint(config):
        raise InputError(
            f"{path} was written by configuration {state.get('config')}, this training is "
            f"{fingerprint(config)}: resume with the same options, or use another --to"
        )
    tensors = load_tensors(path / "tensors.safetensors")
    try:
        for name, learner in learners.items():
            learner.network.load_state_dict(part_of(tensors, f"{name}.network."))
            slots = part_of(tensors, f"{name}.optimizer.")
            load_optimizer(learner.optimizer, slots, state["optimizer_groups"][name])
        generator.set_state(tensors["generator"].cpu())
        return int(state["step"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} does not hold a whole checkpoint ({error}): remove that folder"
        ) from error


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint, or None."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*")) if folder.is_dir() else []
