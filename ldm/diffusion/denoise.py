"""Real latents noised part of the way and denoised by a model: what it makes of a given patient."""

import torch
from torch import Tensor, nn

from ldm.config import Objective, SamplingConfig
from ldm.device import is_bfloat16_fast
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
    """Whitened latents (n, channels, x, y, z), noised to ``share`` of all steps and denoised.

    With the steps of the sampler that are left from there: Euler for rectified flow, DDIM for
    epsilon and v. The noise of scan i depends on the seed and i alone. ``share`` 0 changes nothing
    but rounding, 1 leaves nothing of the patient.
    """
    device, n_steps = latents.device, round(share * sampling.n_steps)
    if n_steps == 0:
        return latents
    _, channels, x, y, z = latents.shape
    shape: Shape = (channels, x, y, z)
    streams = NoiseStreams(shape, seed=sampling.seed, samples=range(len(latents)))
    noise = streams.draw().to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16_fast(device)):
        if objective is Objective.RECTIFIED_FLOW:
            times = torch.full((len(latents),), share, device=device)
            noisy = interpolate(latents, noise, times)
            return euler(network, noisy, n_steps, start=share).float()
        alpha = cumulative_alphas()[ddim_start(n_steps, share)].to(device).expand(len(latents))
        noisy = diffuse(latents, noise, alpha)
        return ddim(network, noisy, n_steps, objective, start=share).float()
