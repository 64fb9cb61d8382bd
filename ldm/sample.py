"""From noise to scans: Euler steps for rectified flow, DDIM for epsilon, then decoding to HU."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ldm.autoencoder import decode
from ldm.config import Objective, SamplingConfig
from ldm.data.intensity import to_hu
from ldm.data.latents import WhiteningStatistics
from ldm.data.volume import FloatArray
from ldm.networks import DDIMScheduler
from ldm.objective import N_NOISE_STEPS, NOISE_SCHEDULE

BATCH = 8
Predict = Callable[[Tensor, Tensor], Tensor]


def initial_noise(shape: tuple[int, int, int, int], sampling: SamplingConfig) -> Tensor:
    """Noise (n, channels, x, y, z); that of sample i depends on the seed and i alone."""
    noise = [
        torch.randn(shape, generator=torch.Generator().manual_seed(sampling.seed * 100_003 + index))
        for index in range(sampling.n_samples)
    ]
    return torch.stack(noise)


def euler(predict: Predict, latents: Tensor, n_steps: int) -> Tensor:
    """Follow the velocity from noise (t = 1) to data (t = 0) in equal steps (Liu 2022, alg. 1)."""
    times = torch.linspace(1, 0, n_steps + 1)
    for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        at = torch.full((len(latents),), now * N_NOISE_STEPS, device=latents.device)
        latents = latents + (then - now) * predict(latents, at)
    return latents


def ddim(predict: Predict, latents: Tensor, n_steps: int) -> Tensor:
    """Deterministic DDIM (Song 2021, eq. 12, eta = 0), without clipping: latents have no bounds."""
    scheduler = DDIMScheduler(**NOISE_SCHEDULE, clip_sample=False)
    scheduler.set_timesteps(n_steps)
    for step in scheduler.timesteps:
        at = torch.full((len(latents),), int(step), device=latents.device)
        latents, _ = scheduler.step(predict(latents, at), int(step), latents)
    return latents


@torch.no_grad()
def sample_latents(
    network: nn.Module,
    *,
    shape: tuple[int, int, int, int],
    objective: Objective,
    sampling: SamplingConfig,
    device: torch.device,
) -> Tensor:
    """Whitened latents (n, channels, x, y, z) on the CPU."""
    integrate = euler if objective is Objective.RECTIFIED_FLOW else ddim
    noise = initial_noise(shape, sampling)
    batches = [
        integrate(network, part.to(device), sampling.n_steps) for part in torch.split(noise, BATCH)
    ]
    return torch.cat(batches).float().cpu()


def decode_to_hu(
    autoencoder: nn.Module, latents: Tensor, whitening: WhiteningStatistics, device: torch.device
) -> FloatArray:
    """Whitened latents (n, channels, x, y, z) to HU, shape (n, x, y, z)."""
    images = decode(autoencoder, whitening.unwhiten(latents).to(device))
    hu: FloatArray = to_hu(images[:, 0].cpu().numpy().astype(np.float32))
    return hu
