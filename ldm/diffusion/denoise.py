"""Add noise to real latents and denoise them with a model."""

import torch
from torch import Tensor, nn

from ldm.config import Objective, SamplingConfig
from ldm.device import uses_bfloat16
from ldm.diffusion.objective import cumulative_alphas, diffuse, interpolate
from ldm.diffusion.sample import NoiseStreams, Shape, ddim, ddim_start, euler


@torch.no_grad()
def denoise(
    network: nn.Module,
    latents: Tensor,
    *,
    objective: Objective,
    sampling: SamplingConfig,
    share: float = 0.5,
) -> Tensor:
    """Add noise to whitened latents (n, channels, x, y, z) up to a noise level, then denoise them.

    ``share`` is the noise level as a share of all steps; 1 is pure noise. The latents are denoised
    in that share of the sampler's steps, by Euler steps for rectified flow and by DDIM for epsilon
    and v. If this is less than half a step, the latents are returned unchanged. The noise of latent
    i depends only on the seed and i.
    """
    device, n_steps = latents.device, round(share * sampling.n_steps)
    if n_steps == 0:
        return latents
    _, channels, x, y, z = latents.shape
    shape: Shape = (channels, x, y, z)
    streams = NoiseStreams(shape, seed=sampling.seed, samples=range(len(latents)))
    noise = streams.draw().to(device)
    is_bfloat16 = uses_bfloat16(sampling.precision, device)
    with torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16):
        if objective is Objective.RECTIFIED_FLOW:
            times = torch.full((len(latents),), share, device=device)
            noisy = interpolate(latents, noise, times)
            return euler(network, noisy, n_steps, start=share).float()
        alpha = cumulative_alphas()[ddim_start(n_steps, share)].to(device).expand(len(latents))
        noisy = diffuse(latents, noise, alpha)
        return ddim(network, noisy, n_steps, objective, start=share).float()
