"""Whitening: latents to zero mean and unit variance, and back."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ldm.config import Whitening
from ldm.data.latents.statistics import LatentStatistics
from ldm.device import to_device


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
            to_device(torch.tensor(values).view(shape), like.device)
            for values in (self.mean, self.std)
        )
        return mean, std


def whitening_statistics(latents: LatentStatistics, whitening: Whitening) -> WhiteningStatistics:
    """The statistics that a trial uses, from those of its store."""
    if whitening is Whitening.CHANNEL:
        return WhiteningStatistics(mean=latents.mean, std=latents.std)
    n = len(latents.mean)
    return WhiteningStatistics(mean=(0.0,) * n, std=(latents.scale_std,) * n)
