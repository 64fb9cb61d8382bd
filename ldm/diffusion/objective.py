"""What the denoiser learns: noisy latents, targets and the loss, one function an equation.

Times are in [0, 1] for rectified flow (0 data, 1 noise) and whole steps 0..999 for epsilon and v;
the network is told 0..1000 in all cases. ``alpha`` is the share of the signal's variance that is
left after a step, the product of the papers' alphas up to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from ldm.config import N_NOISE_STEPS, Objective
from ldm.networks import DDPMScheduler

# MONAI bundle brats_mri_generative_diffusion, configs/train_diffusion.json
NOISE_SCHEDULE = {
    "num_train_timesteps": N_NOISE_STEPS,
    "schedule": "scaled_linear_beta",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
}


def cumulative_alphas() -> Tensor:
    """The share of the signal's variance left after each step, shape (1000,)."""
    alphas: Tensor = DDPMScheduler(**NOISE_SCHEDULE).alphas_cumprod
    return alphas


def diffuse(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """sqrt(alpha) z + sqrt(1 - alpha) e (Ho 2020, eq. 4); alpha has shape (n,)."""
    alpha = _per_sample(alpha, latents)
    return alpha.sqrt() * latents + (1 - alpha).sqrt() * noise


def v_target(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """sqrt(alpha) e - sqrt(1 - alpha) z (Salimans 2022, section 4); alpha has shape (n,)."""
    alpha = _per_sample(alpha, latents)
    return alpha.sqrt() * noise - (1 - alpha).sqrt() * latents


def latents_from_noise(noisy: Tensor, noise: Tensor, alpha: float) -> Tensor:
    """(x - sqrt(1 - alpha) e) / sqrt(alpha), all samples at one step (Ho 2020, eq. 15)."""
    return (noisy - sqrt(1 - alpha) * noise) / sqrt(alpha)


def latents_from_v(noisy: Tensor, v: Tensor, alpha: float) -> Tensor:
    """sqrt(alpha) x - sqrt(1 - alpha) v, all samples at one step (Salimans 2022, section 4)."""
    return sqrt(alpha) * noisy - sqrt(1 - alpha) * v


def posterior(
    latents: Tensor, noisy: Tensor, *, alpha: float, previous_alpha: float
) -> tuple[Tensor, float]:
    """Mean and variance one step before ``noisy``, given the clean latents (Ho 2020, eq. 7)."""
    kept = alpha / previous_alpha  # the paper's alpha_t; its beta_t is 1 - kept
    share = (1 - previous_alpha) / (1 - alpha)
    mean = sqrt(previous_alpha) * (1 - kept) / (1 - alpha) * latents + sqrt(kept) * share * noisy
    return mean, share * (1 - kept)


def interpolate(latents: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """(1 - t) z + t e (Liu 2022, eq. 1, time running from data to noise); time has shape (n,)."""
    time = _per_sample(time, latents)
    return (1 - time) * latents + time * noise


def velocity(latents: Tensor, noise: Tensor) -> Tensor:
    """The derivative of the interpolation by time, e - z (Liu 2022, eq. 1)."""
    return noise - latents


def logit_normal_times(n: int, generator: torch.Generator) -> Tensor:
    """Times dense around the middle: sigmoid of N(0, 1) (Esser 2024, section 3.1)."""
    return torch.sigmoid(torch.randn(n, generator=generator))


def draw_times(objective: Objective, n: int, generator: torch.Generator) -> Tensor:
    """Random times of rectified flow, or random steps of epsilon and v, shape (n,)."""
    if objective is Objective.RECTIFIED_FLOW:
        return logit_normal_times(n, generator)
    return torch.randint(0, N_NOISE_STEPS, (n,), generator=generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoisingLoss:
    """The mean squared error of a prediction, and ``trivial``, what predicting 0 would cost."""

    loss: Tensor
    trivial: Tensor


def denoising_loss(
    predict: Callable[[Tensor, Tensor], Tensor],
    latents: Tensor,
    *,
    noise: Tensor,
    times: Tensor,
    objective: Objective,
    alphas: Tensor,
) -> DenoisingLoss:
    """Mean squared error of the prediction at given times (epsilon: Ho 2020, eq. 14).

    Every time weighs the same, for v too: in terms of the latents that is SNR + 1 (Salimans 2022).
    """
    if objective is Objective.RECTIFIED_FLOW:
        noisy, target = interpolate(latents, noise, times), velocity(latents, noise)
        prediction = predict(noisy, times * N_NOISE_STEPS)
    else:
        alpha = alphas[times]
        target = v_target(latents, noise, alpha) if objective is Objective.V else noise
        prediction = predict(diffuse(latents, noise, alpha), times)
    return DenoisingLoss(
        loss=nn.functional.mse_loss(prediction.float(), target),
        trivial=target.square().mean(),
    )


def _per_sample(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))
