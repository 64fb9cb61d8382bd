"""Checkpoints for resuming a training, and samplers for drawing samples from a model.

A training that is resumed from a checkpoint continues exactly as if it had not been interrupted. A
checkpoint is a folder with ``tensors.safetensors`` and ``state.json``. A sampler is a folder with
``sampler.safetensors`` and ``sampler.json``. Neither contains pickles.
"""

import operator
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ldm.config import TrialConfig
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.errors import InputError
from ldm.files.dataclass_json import from_dict, to_dict
from ldm.files.json_file import read_object, write_json
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

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The progress of a training.

    Attributes
    ----------
    epoch
        Finished epochs.
    step
        Finished optimizer steps.
    first_epoch_loss
        Mean loss of the first epoch; None before it is finished.
    """

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
    """Write a checkpoint into an existing folder.

    ``state.json`` is written last. A folder without it is not a checkpoint.
    """
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
    """Restore the networks, the optimizer and the generator in place, and return the position.

    Raises ``InputError`` if the checkpoint is damaged or was written by another configuration.
    """
    state = read_state(folder, config, option="--storage")
    tensors = load_tensors(folder / "tensors.safetensors")
    with refusing_incomplete_checkpoint(folder):
        position = from_dict(Position, state["position"])
        network.load_state_dict(part_of(tensors, "network."))
        average.load_state_dict(part_of(tensors, "average."))
        slots = part_of(tensors, "optimizer.")
        load_optimizer(optimizer, slots, state["optimizer_groups"], n_steps=position.step)
        generator.set_state(tensors["generator"].cpu())
    return position


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """Everything needed to draw samples from a trained model.

    Attributes
    ----------
    config
        The configuration of the trial.
    whitening
        The statistics that turn samples back into latents of the autoencoder.
    epoch
        Finished epochs.
    weights
        The moving average of the denoiser's weights, by name. Without an average, the weights
        themselves.
    """

    config: TrialConfig
    whitening: WhiteningStatistics
    epoch: int
    weights: dict[str, Tensor]

    @property
    def undone_by_decoding(self) -> WhiteningStatistics:
        """The whitening that is undone before samples are decoded.

        It changes nothing if the configuration leaves the whitening in the samples.
        """
        if self.config.sampling.undoes_whitening:
            return self.whitening
        n = len(self.whitening.mean)
        return WhiteningStatistics(mean=(0.0,) * n, std=(1.0,) * n)


def save_sampler(folder: Path, sampler: Sampler) -> None:
    """Write a sampler into a new folder, which appears only when it is complete.

    If the folder already holds a sampler, it is kept: a restarted trial writes the same sampler
    again.
    """
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
        shutil.rmtree(temporary)  # a restarted trial has written this epoch before


def load_sampler(folder: Path) -> Sampler:
    """Read a sampler from its folder.

    Raises ``InputError`` if the folder is damaged or has no whitening statistics.
    """
    meta = read_object(folder / "sampler.json", remedy="remove its folder")
    if "whitening" not in meta:
        raise InputError(
            "a sampler needs whitening statistics, without them samples would have wrong HU",
            seen="sampler.json has none",
            place=folder,
        )
    with refusing_incomplete_checkpoint(folder):
        sampler = Sampler(
            config=_part(TrialConfig, meta["config"], folder),
            whitening=_part(WhiteningStatistics, meta["whitening"], folder),
            epoch=operator.index(meta["epoch"]),
            weights=load_tensors(folder / "sampler.safetensors"),
        )
    n_channels = sampler.config.autoencoder.latent_channels
    if len(sampler.whitening.mean) != n_channels:
        raise InputError(
            f"whitening needs one mean and one standard deviation for each of the {n_channels} "
            "channels of a latent",
            seen=f"sampler.json has {len(sampler.whitening.mean)}",
            place=folder,
            remedy="remove its folder",
        )
    return sampler


def _part(kind: type[Kind], values: Any, folder: Path) -> Kind:
    """Return a part of ``sampler.json``. Raises InputError with the name of the file."""
    try:
        return from_dict(kind, values)
    except InputError as error:
        raise InputError(
            str(error), place=folder / "sampler.json", remedy="remove its folder"
        ) from error
