"""Checkpoints of an autoencoder's training: folders named by step, the newest two are kept.

``checkpoints/step_0000500`` holds ``tensors.safetensors`` and ``state.json``. No pickles.
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
    """From which on a learner is trained."""
    if learner == "discriminator" and config.adversarial is not None:
        return config.adversarial.start_step
    return 0


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint, or None."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*")) if folder.is_dir() else []
