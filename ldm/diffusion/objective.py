"""The training objectives: noisy latents, targets and the loss.

In the equations, z are the clean latents, e is the noise and x are the noisy latents. Times are in
[0, 1] for rectified flow (0 is data, 1 is noise), and integers from 0 to 999 for epsilon and v. The
network always receives times in the range 0 to 1000. ``alpha`` is the share of the signal's
variance that is left at a time: the cumulative product of the papers' alphas.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from ldm.config import N_NOISE_STEPS, Objective
from ldm.networks import DDPMScheduler

# From configs/train_diffusion.json of the MONAI bundle brats_mri_generative_diffusion.
NOISE_SCHEDULE = {
    "num_train_timesteps": N_NOISE_STEPS,
    "schedule": "scaled_linear_beta",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
}


def cumulative_alphas() -> Tensor:
    """Return the share of the signal's variance that is left at each time, shape (1000,)."""
    alphas: Tensor = DDPMScheduler(**NOISE_SCHEDULE).alphas_cumprod
    return alphas


def diffuse(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """Return the noisy latents sqrt(alpha) z + sqrt(1 - alpha) e (Ho 2020, eq. 4).

    ``alpha`` has shape (n,), one value per scan.
    """
    alpha = _per_sample(alpha, latents)
    return alpha.sqrt() * latents + (1 - alpha).sqrt() * noise


def v_target(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """Return the target v = sqrt(alpha) e - sqrt(1 - alpha) z (Salimans 2022, section 4).

    ``alpha`` has shape (n,), one value per scan.
    """
    alpha = _per_sample(alpha, latents)
    return alpha.sqrt() * noise - (1 - alpha).sqrt() * latents


def latents_from_noise(noisy: Tensor, noise: Tensor, alpha: float) -> Tensor:
    """Return the clean latents (x - sqrt(1 - alpha) e) / sqrt(alpha) (Ho 2020, eq. 15).

    All samples are at the same time.
    """
    return (noisy - sqrt(1 - alpha) * noise) / sqrt(alpha)


def latents_from_v(noisy: Tensor, v: Tensor, alpha: float) -> Tensor:
    """Return the clean latents sqrt(alpha) x - sqrt(1 - alpha) v (Salimans 2022, section 4).

    All samples are at the same time.
    """
    return sqrt(alpha) * noisy - sqrt(1 - alpha) * v


def posterior(
    latents: Tensor, noisy: Tensor, *, alpha: float, previous_alpha: float
) -> tuple[Tensor, float]:
    """Return the mean and variance of the latents one step earlier (Ho 2020, eq. 7).

    The distribution is conditional on the clean latents and the noisy latents of the current step.
    ``alpha`` is the share of the signal's variance that is left at the current step, and
    ``previous_alpha`` the share one step earlier.
    """
    kept = alpha / previous_alpha  # alpha_t in the paper, where beta_t is 1 - kept
    share = (1 - previous_alpha) / (1 - alpha)
    mean = sqrt(previous_alpha) * (1 - kept) / (1 - alpha) * latents + sqrt(kept) * share * noisy
    return mean, share * (1 - kept)


def interpolate(latents: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """Return the noisy latents (1 - t) z + t e (Liu 2022, eq. 1, with time from data to noise).

    ``time`` has shape (n,), one value per scan.
    """
    time = _per_sample(time, latents)
    return (1 - time) * latents + time * noise


def velocity(latents: Tensor, noise: Tensor) -> Tensor:
    """Return the derivative of the interpolation with respect to time, e - z (Liu 2022, eq. 1)."""
    return noise - latents


def logit_normal_times(n: int, generator: torch.Generator) -> Tensor:
    """Draw times from the sigmoid of N(0, 1), which are most frequent around 0.5, shape (n,).

    From Esser 2024, section 3.1.
    """
    return torch.sigmoid(torch.randn(n, generator=generator))


def draw_times(objective: Objective, n: int, generator: torch.Generator) -> Tensor:
    """Draw a random training time for each scan, shape (n,).

    Times are logit-normal in (0, 1) for rectified flow, and uniform integers from 0 to 999 for
    epsilon and v.
    """
    if objective is Objective.RECTIFIED_FLOW:
        return logit_normal_times(n, generator)
    return torch.randint(0, N_NOISE_STEPS, (n,), generator=generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoisingLoss:
    """The loss of a prediction, and for comparison the loss of predicting zero everywhere.

    Both are mean squared errors, as tensors without axes.
    """

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
    """Return the mean squared error of the prediction at given times (epsilon: Ho 2020, eq. 14).

    ``predict`` takes noisy latents and the network's times, and returns the prediction. ``times``
    are those of ``draw_times``, one per scan. ``alphas`` is the result of ``cumulative_alphas``,
    which rectified flow does not use.

    All times have the same weight. For v this corresponds to a weight of SNR + 1 for the error of
    the predicted clean latents (Salimans 2022).
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
