"""Whitening: scale latents to zero mean and unit variance, and back."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ldm.config import Whitening
from ldm.data.latents.statistics import LatentStatistics
from ldm.device import to_device
from ldm.errors import require


@dataclass(frozen=True, slots=True, kw_only=True)
class WhiteningStatistics:
    """The numbers by which latents are whitened, one for each channel.

    With ``scalar`` whitening, all means are 0 and all standard deviations are equal.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        require(
            len(self.mean) == len(self.std),
            "whitening needs as many means as standard deviations",
            f"{len(self.mean)} and {len(self.std)}",
        )
        require(all(std > 0 for std in self.std), "standard deviations must be positive", self.std)

    def whiten(self, latents: Tensor) -> Tensor:
        """Return (z - mean) / std for latents z of shape (n, channels, ...)."""
        mean, std = self._tensors(latents)
        return (latents - mean) / std

    def unwhiten(self, latents: Tensor) -> Tensor:
        """Return z * std + mean, which undoes ``whiten``."""
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
    """Return the numbers by which a trial whitens, given the statistics of its latent store."""
    if whitening is Whitening.CHANNEL:
        return WhiteningStatistics(mean=latents.mean, std=latents.std)
    n = len(latents.mean)
    return WhiteningStatistics(mean=(0.0,) * n, std=(latents.scale_std,) * n)
