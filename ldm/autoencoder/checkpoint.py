"""Checkpoints of the training of an autoencoder.

A checkpoint is a folder named by its step, for example ``checkpoints/step_0000500``. It holds
``tensors.safetensors`` and ``state.json``, and no pickles. The newest two are kept.
"""

import os
import shutil
from pathlib import Path

import torch

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.autoencoder.learner import Learner
from ldm.files.json_file import write_json
from ldm.fingerprints import fingerprint
from ldm.training_state import (
    load_optimizer,
    load_tensors,
    optimizer_tensors,
    part_of,
    read_state,
    refusing_incomplete_checkpoint,
    save_tensors,
)

N_CHECKPOINTS_KEPT = 2


def save_autoencoder_checkpoint(
    folder: Path,
    *,
    config: AutoencoderTrainingConfig,
    step: int,
    learners: dict[str, Learner],
    generator: torch.Generator,
) -> Path:
    """Write the checkpoint ``folder/step_NNNNNNN`` and return its path.

    The checkpoint appears under its final name only when it is complete. All checkpoints but the
    newest two are then deleted. If this step already has a checkpoint, nothing is written.
    """
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
    for old in _checkpoints(folder)[:-N_CHECKPOINTS_KEPT]:
        shutil.rmtree(old)
    return target


def load_autoencoder_checkpoint(
    path: Path,
    *,
    config: AutoencoderTrainingConfig,
    learners: dict[str, Learner],
    generator: torch.Generator,
) -> int:
    """Restore the learners and the generator in place and return the step of the checkpoint.

    Raises ``InputError`` if the checkpoint is incomplete or was written by another configuration.
    """
    state = read_state(path, config, option="--to")
    tensors = load_tensors(path / "tensors.safetensors")
    with refusing_incomplete_checkpoint(path):
        step = int(state["step"])
        for name, learner in learners.items():
            learner.network.load_state_dict(part_of(tensors, f"{name}.network."))
            slots = part_of(tensors, f"{name}.optimizer.")
            groups, n_steps = state["optimizer_groups"][name], step - _first_step(config, name)
            load_optimizer(learner.optimizer, slots, groups, n_steps=max(0, n_steps))
        generator.set_state(tensors["generator"].cpu())
    return step


def _first_step(config: AutoencoderTrainingConfig, learner: str) -> int:
    """Return the first step that trains a learner: "autoencoder" or "discriminator"."""
    if learner == "discriminator" and config.adversarial is not None:
        return config.adversarial.start_step
    return 0


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint in ``folder``, or None if there is none."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*")) if folder.is_dir() else []
