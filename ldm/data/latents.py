"""The latent store: each scan encoded once, with what is needed to judge samples against it.

A store is a folder named by the fingerprint of everything that made it:

    manifest.json        scans, boxes, exclusions, statistics
    latents.safetensors  ``mean`` and ``std`` of the training split, (n, channels, x, y, z)
    volumes.safetensors  HU on the model's grid, int16 (n, x, y, z), for each split that is read

The posterior is stored, never a sample of it: a stored sample would bake its noise into the data.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ldm.config import Whitening, from_dict, to_dict
from ldm.data.cohort import Exclusion, Split
from ldm.data.crop import Box
from ldm.errors import InputError

STORE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedScan:
    """One scan on the grid: where it came from and which part of it the model sees."""

    case_id: str
    split: Split
    image: str
    box: Box
    spacing_mm: tuple[float, float, float]
    field_of_view_fraction: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreManifest:
    """What a store holds. ``latent_mean`` and ``latent_std`` are per channel, over the training
    split; ``latent_scale_std`` is one number over all channels, as the study has it."""

    version: int
    fingerprint: str
    is_phantom: bool
    scans: tuple[PreparedScan, ...]
    exclusions: tuple[Exclusion, ...]
    latent_mean: tuple[float, ...]
    latent_std: tuple[float, ...]
    latent_scale_std: float

    def of(self, split: Split) -> tuple[PreparedScan, ...]:
        """The scans of one split, in the order of the store's tensors."""
        return tuple(scan for scan in self.scans if scan.split is split)

    @property
    def mean_spacing_mm(self) -> tuple[float, float, float]:
        """The training split's mean mm per voxel: the physical size of a sample."""
        train = self.of(Split.TRAIN)
        x, y, z = (
            sum(axis) / len(train) for axis in zip(*(s.spacing_mm for s in train), strict=True)
        )
        return x, y, z


@dataclass(frozen=True, slots=True, kw_only=True)
class WhiteningStatistics:
    """Shift and scale of each latent channel; ``scalar`` whitening has shift 0 and one scale."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def whiten(self, latents: Tensor) -> Tensor:
        """(z - mean) / std, channel on axis 1."""
        mean, std = self._tensors(latents)
        return (latents - mean) / std

    def unwhiten(self, latents: Tensor) -> Tensor:
        """The inverse of ``whiten``."""
        mean, std = self._tensors(latents)
        return latents * std + mean

    def _tensors(self, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (1, -1, *[1] * (like.ndim - 2))
        mean, std = (
            torch.tensor(values, device=like.device).view(shape) for values in (self.mean, self.std)
        )
        return mean, std


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentStatistics:
    """Moments of drawn latents over a whole split, from posterior means and standard deviations."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale_std: float


def latent_statistics(mean: Tensor, std: Tensor) -> LatentStatistics:
    """Moments of z = mean + std * noise: the variance of z is var(mean) + E[std^2]."""
    axes = (0, *range(2, mean.ndim))
    wide, noise = mean.double(), std.double()
    channel_mean = wide.mean(axes)
    channel_std = (wide.var(axes, correction=0) + noise.square().mean(axes)).sqrt()
    scale_std = (wide.var(correction=0) + noise.square().mean()).sqrt()
    return LatentStatistics(
        mean=tuple(channel_mean.tolist()),
        std=tuple(channel_std.tolist()),
        scale_std=float(scale_std),
    )


def whitening_statistics(manifest: StoreManifest, whitening: Whitening) -> WhiteningStatistics:
    """The statistics that a trial uses, from those of its store."""
    if whitening is Whitening.CHANNEL:
        return WhiteningStatistics(mean=manifest.latent_mean, std=manifest.latent_std)
    n = len(manifest.latent_mean)
    return WhiteningStatistics(mean=(0.0,) * n, std=(manifest.latent_scale_std,) * n)


def write_store(
    folder: Path, manifest: StoreManifest, *, latents: dict[str, Tensor], volumes: dict[str, Tensor]
) -> None:
    """Write all three files under a temporary name, then rename: a reader sees all or nothing."""
    temporary = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with the same number
    temporary.mkdir(parents=True)
    save_file(
        {name: value.half().contiguous() for name, value in latents.items()},
        temporary / "latents.safetensors",
    )
    save_file(volumes, temporary / "volumes.safetensors")
    (temporary / "manifest.json").write_text(json.dumps(to_dict(manifest), indent=1))
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder / "manifest.json").is_file():
            raise
        shutil.rmtree(temporary)  # another sweep finished the same store first


def read_manifest(folder: Path, *, fingerprint: str) -> StoreManifest:
    """Read and check a manifest; raises InputError when it is of other settings."""
    manifest = from_dict(StoreManifest, json.loads((folder / "manifest.json").read_text()))
    if manifest.version != STORE_VERSION or manifest.fingerprint != fingerprint:
        raise InputError(
            f"{folder} holds latents {manifest.fingerprint} of version {manifest.version}, this "
            f"sweep needs {fingerprint} of version {STORE_VERSION}: remove the folder"
        )
    return manifest


def read_latents(folder: Path) -> tuple[Tensor, Tensor]:
    """Posterior mean and standard deviation of the training split, float32."""
    tensors = load_file(folder / "latents.safetensors")
    return tensors["mean"].float(), tensors["std"].float()


def read_volumes(folder: Path, split: Split) -> Tensor:
    """HU on the model's grid, float32 (n, x, y, z)."""
    tensors: dict[str, Tensor] = load_file(folder / "volumes.safetensors")
    return tensors[split].float()
