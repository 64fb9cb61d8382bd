"""The random numbers of a training step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ldm.device import to_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """The random numbers of one step, one row per scan.

    They are drawn on the CPU, so that they are the same for all devices.

    Attributes
    ----------
    posterior
        Noise for drawing latents from the autoencoder's posterior.
    noise
        Noise that the denoiser has to remove.
    times
        Noise levels.
    """

    posterior: Tensor
    noise: Tensor
    times: Tensor

    def rows(self, rows: list[int], device: torch.device) -> "Draws":
        """Return the random numbers of the scans with these indices in the batch, on a device."""
        posterior, noise, times = (
            to_device(values[rows], device) for values in (self.posterior, self.noise, self.times)
        )
        return Draws(posterior=posterior, noise=noise, times=times)
