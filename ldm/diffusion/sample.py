"""Draw samples: from noise to latents by Euler, DDIM or DDPM, and from latents to HU."""

from collections.abc import Callable
from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ldm.autoencoder.decode import decode_in_slabs, whole_decode_bound_gib
from ldm.autoencoder.model import decode
from ldm.config import N_NOISE_STEPS, Objective, SamplingConfig, SamplingMethod
from ldm.data.geometry.intensity import to_hu
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.device import free_memory_gib, uses_bfloat16
from ldm.diffusion.objective import (
    NOISE_SCHEDULE,
    cumulative_alphas,
    latents_from_noise,
    latents_from_v,
    posterior,
)
from ldm.memory import hollow_copy, peak_memory_gib
from ldm.networks import AutoencoderKL, DDIMScheduler

CPU_BATCH = 8
MAX_BATCH = 64
# Share of the free memory that a forecast may fill. Forecasts exclude the workspace of kernels.
USABLE = 0.7
Predict = Callable[[Tensor, Tensor], Tensor]
Shape = tuple[int, int, int, int]


class NoiseStreams:
    """Independent streams of noise, one for each sample, drawn on the CPU.

    ``shape`` is that of one latent, (channels, x, y, z), and ``samples`` are the indices of the
    samples. Draw k of sample i depends only on the seed, i and k. So the noise of a sample does not
    depend on the batch or the device that it is drawn with.
    """

    def __init__(self, shape: Shape, *, seed: int, samples: range) -> None:
        self._shape = shape
        self._generators = [
            torch.Generator().manual_seed(seed * 100_003 + index) for index in samples
        ]

    def draw(self) -> Tensor:
        """Draw the next noise of each sample, shape (n, channels, x, y, z)."""
        return torch.stack([torch.randn(self._shape, generator=g) for g in self._generators])


def initial_noise(shape: Shape, sampling: SamplingConfig) -> Tensor:
    """Return the noise that each sample starts from, shape (n, channels, x, y, z).

    ``shape`` is that of one latent, (channels, x, y, z).
    """
    return NoiseStreams(shape, seed=sampling.seed, samples=range(sampling.n_samples)).draw()


def euler(predict: Predict, latents: Tensor, n_steps: int, *, start: float = 1.0) -> Tensor:
    """Integrate the velocity from noise (t = 1) to data (t = 0) in equal steps (Liu 2022, alg. 1).

    ``predict`` is the network: it takes noisy latents and their times, from 0 to 1000, and returns
    the velocity. ``start`` is the time to start from, for latents that are only partly noise.
    """
    times = torch.linspace(start, 0, n_steps + 1)
    for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        at = torch.full((len(latents),), now * N_NOISE_STEPS, device=latents.device)
        latents = latents + (then - now) * predict(latents, at)
    return latents


def ddim(
    predict: Predict,
    latents: Tensor,
    n_steps: int,
    objective: Objective = Objective.EPSILON,
    *,
    start: float = 1.0,
) -> Tensor:
    """Denoise latents by deterministic DDIM (Song 2021, eq. 12, eta = 0).

    The predicted clean latents are not clipped, because latents have no bounds. ``start`` is the
    share of the noise levels to start from, for latents that are only partly noise; they must have
    the noise level that ``ddim_start`` returns.
    """
    kind = "v_prediction" if objective is Objective.V else "epsilon"
    scheduler = DDIMScheduler(**NOISE_SCHEDULE, clip_sample=False, prediction_type=kind)
    scheduler.set_timesteps(round(n_steps / start))
    for step in scheduler.timesteps[-n_steps:]:  # the first one equals ddim_start()
        at = torch.full((len(latents),), int(step), device=latents.device)
        latents, _ = scheduler.step(predict(latents, at), int(step), latents)
    return latents


def ddim_start(n_steps: int, start: float) -> int:
    """Return the time, 0 to 999, that ``ddim`` starts from with the same arguments."""
    scheduler = DDIMScheduler(**NOISE_SCHEDULE)
    scheduler.set_timesteps(round(n_steps / start))
    return int(scheduler.timesteps[-n_steps])


def ddpm(
    predict: Predict, latents: Tensor, *, objective: Objective, draw: Callable[[], Tensor]
) -> Tensor:
    """Denoise pure noise in 1000 steps with new noise in each (Ho 2020, alg. 2, sigma^2 of eq. 7).

    ``draw`` returns the noise of one step for the whole batch. Nothing is clipped, because latents
    have no bounds.
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
    samples: range | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """Draw whitened latents (n, channels, x, y, z) and return them on the CPU.

    ``samples`` selects which of the ``n_samples`` to draw, so that several devices can share the
    work; None draws all. ``batch_size`` is the number that are drawn at once; None uses
    ``fitting_batch``. A sample depends only on its index and the seed, up to rounding.
    """
    samples = range(sampling.n_samples) if samples is None else samples
    size = fitting_batch(network, shape, device) if batch_size is None else batch_size
    batches = [torch.empty(0, *shape)]  # in case this device has no samples to draw
    for first in range(0, len(samples), size):
        streams = NoiseStreams(shape, seed=sampling.seed, samples=samples[first : first + size])
        is_bfloat16 = uses_bfloat16(sampling.precision, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16):
            batches.append(_integrate(network, streams, objective, sampling, device).float().cpu())
    return torch.cat(batches)


def fitting_batch(network: nn.Module, shape: Shape, device: torch.device) -> int:
    """Return how many samples to draw at once on a device.

    ``shape`` is that of one latent, (channels, x, y, z). On a GPU, the number depends on the memory
    that is free now.
    """
    if device.type != "cuda":
        return CPU_BATCH
    return batch_within(free_memory_gib(device), network, shape)


def batch_within(memory_gib: float, network: nn.Module, shape: Shape) -> int:
    """Return the largest batch of samples, from 1 to 64, that is forecast to fit into free memory.

    The network is already in memory, so ``memory_gib`` need not hold it.
    """
    one_gib, two_gib = (prediction_memory_gib(network, shape, n) for n in (1, 2))
    return int(min(max(USABLE * memory_gib / (two_gib - one_gib), 1), MAX_BATCH))


def prediction_memory_gib(network: nn.Module, shape: Shape, n: int) -> float:
    """Forecast the peak memory in GiB of one prediction for ``n`` samples in float32.

    The weights of the network are included.
    """

    def run() -> None:
        hollow = hollow_copy(network)
        with torch.no_grad():
            hollow(torch.empty(n, *shape), torch.zeros(n))

    return peak_memory_gib(run)


def _integrate(
    predict: Predict,
    streams: NoiseStreams,
    objective: Objective,
    sampling: SamplingConfig,
    device: torch.device,
) -> Tensor:
    """Denoise one batch with the method that the configuration gives for this objective."""
    method, noise = sampling.method_for(objective), streams.draw().to(device)
    if method is SamplingMethod.EULER:
        return euler(predict, noise, sampling.n_steps)
    if method is SamplingMethod.DDIM:
        return ddim(predict, noise, sampling.n_steps, objective)
    return ddpm(predict, noise, objective=objective, draw=streams.draw)


@torch.no_grad()
def decode_to_hu(
    autoencoder: nn.Module, latents: Tensor, whitening: WhiteningStatistics, device: torch.device
) -> NDArray[np.float32]:
    """Decode whitened latents (n, channels, x, y, z) to HU, shape (n, x, y, z).

    Volumes are decoded in slabs if they may not fit into memory otherwise. Decoding never uses
    bfloat16, whose neighboring values are up to 8 HU apart.
    """
    decode_one = decode
    if isinstance(autoencoder, AutoencoderKL):
        bound_gib = whole_decode_bound_gib(autoencoder, latents[0])
        decode_one = decode if bound_gib <= USABLE * free_memory_gib(device) else decode_in_slabs
    raw = whitening.unwhiten(latents)
    images = [decode_one(autoencoder, latent[None].to(device)).cpu() for latent in raw]
    hu: NDArray[np.float32] = to_hu(torch.cat(images)[:, 0].numpy().astype(np.float32))
    return hu
