"""From noise to scans: Euler for rectified flow, DDIM or DDPM for epsilon and v; then to HU."""

from collections.abc import Callable
from math import sqrt

import numpy as np
import torch
from torch import Tensor, nn

from ldm.autoencoder import decode
from ldm.config import N_NOISE_STEPS, Objective, SamplingConfig, SamplingMethod
from ldm.data.intensity import to_hu
from ldm.data.latents import WhiteningStatistics
from ldm.data.volume import FloatArray
from ldm.networks import DDIMScheduler
from ldm.objective import (
    NOISE_SCHEDULE,
    cumulative_alphas,
    latents_from_noise,
    latents_from_v,
    posterior,
)

BATCH = 8
Predict = Callable[[Tensor, Tensor], Tensor]
Shape = tuple[int, int, int, int]


class NoiseStreams:
    """Noise for some samples, drawn on the CPU: draw k of sample i depends on seed, i, k alone."""

    def __init__(self, shape: Shape, *, seed: int, samples: range) -> None:
        self._shape = shape
        self._generators = [
            torch.Generator().manual_seed(seed * 100_003 + index) for index in samples
        ]

    def draw(self) -> Tensor:
        """The next noise of each sample, (n, channels, x, y, z)."""
        return torch.stack([torch.randn(self._shape, generator=g) for g in self._generators])


def initial_noise(shape: Shape, sampling: SamplingConfig) -> Tensor:
    """What samples start from: the first draw of each sample's stream."""
    return NoiseStreams(shape, seed=sampling.seed, samples=range(sampling.n_samples)).draw()


def euler(predict: Predict, latents: Tensor, n_steps: int) -> Tensor:
    """Follow the velocity from noise (t = 1) to data (t = 0) in equal steps (Liu 2022, alg. 1)."""
    times = torch.linspace(1, 0, n_steps + 1)
    for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        at = torch.full((len(latents),), now * N_NOISE_STEPS, device=latents.device)
        latents = latents + (then - now) * predict(latents, at)
    return latents


def ddim(
    predict: Predict, latents: Tensor, n_steps: int, objective: Objective = Objective.EPSILON
) -> Tensor:
    """Deterministic DDIM (Song 2021, eq. 12, eta = 0), without clipping: latents have no bounds."""
    kind = "v_prediction" if objective is Objective.V else "epsilon"
    scheduler = DDIMScheduler(**NOISE_SCHEDULE, clip_sample=False, prediction_type=kind)
    scheduler.set_timesteps(n_steps)
    for step in scheduler.timesteps:
        at = torch.full((len(latents),), int(step), device=latents.device)
        latents, _ = scheduler.step(predict(latents, at), int(step), latents)
    return latents


def ddpm(
    predict: Predict, latents: Tensor, *, objective: Objective, draw: Callable[[], Tensor]
) -> Tensor:
    """Each of the 1000 steps with new noise (Ho 2020, algorithm 2, sigma^2 of eq. 7); no clipping.

    ``draw`` gives the noise of one step for the whole batch.
    """
    clean_from = latents_from_v if objective is Objective.V else latents_from_noise
    alphas = cumulative_alphas().tolist()
    for step in reversed(range(N_NOISE_STEPS)):
        at = torch.full((len(latents),), step, device=latents.device)
        clean = clean_from(latents, predict(latents, at), alphas[step])
        before = alphas[step - 1] if step else 1.0
        mean, variance = posterior(clean, latents, alpha=alphas[step], previous_alpha=before)
        latents = mean + sqrt(variance) * draw().to(latents.device)
    return latents


@torch.no_grad()
def sample_latents(
    network: nn.Module,
    *,
    shape: Shape,
    objective: Objective,
    sampling: SamplingConfig,
    device: torch.device,
) -> Tensor:
    """Whitened latents (n, channels, x, y, z) on the CPU."""
    samples = range(sampling.n_samples)
    batches = []
    for first in samples[::BATCH]:
        streams = NoiseStreams(shape, seed=sampling.seed, samples=samples[first : first + BATCH])
        batches.append(_integrate(network, streams, objective, sampling, device))
    return torch.cat(batches).float().cpu()


def _integrate(
    predict: Predict,
    streams: NoiseStreams,
    objective: Objective,
    sampling: SamplingConfig,
    device: torch.device,
) -> Tensor:
    """One batch from its first noise to latents, by the method that the objective is given."""
    method, noise = sampling.method_for(objective), streams.draw().to(device)
    if method is SamplingMethod.EULER:
        return euler(predict, noise, sampling.n_steps)
    if method is SamplingMethod.DDIM:
        return ddim(predict, noise, sampling.n_steps, objective)
    return ddpm(predict, noise, objective=objective, draw=streams.draw)


def decode_to_hu(
    autoencoder: nn.Module, latents: Tensor, whitening: WhiteningStatistics, device: torch.device
) -> FloatArray:
    """Whitened latents (n, channels, x, y, z) to HU, shape (n, x, y, z)."""
    images = decode(autoencoder, whitening.unwhiten(latents).to(device))
    hu: FloatArray = to_hu(images[:, 0].cpu().numpy().astype(np.float32))
    return hu
