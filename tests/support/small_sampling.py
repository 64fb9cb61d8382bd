"""A predictor and sampling settings for tests of sampling."""

import torch
from torch import nn

from ldm.config import Objective, SamplingConfig, SamplingMethod
from ldm.diffusion.sample import sample_latents

SHAPE = (2, 3, 4, 5)
BY_NOISE = (Objective.EPSILON, Objective.V)


class Contracts(nn.Module):
    """A predictor whose output depends on the noisy latents and on time."""

    def forward(self, noisy, time):
        return noisy * (0.2 + time.view(-1, 1, 1, 1, 1) / 2000)


def sampling(n_samples=3, n_steps=4, seed=0):
    return SamplingConfig(n_samples=n_samples, n_steps=n_steps, seed=seed)


def by_ddpm(n_samples=3, seed=0):
    method = SamplingMethod.DDPM
    return SamplingConfig(n_samples=n_samples, n_steps=1000, method=method, seed=seed)


def sampled(network, objective, plan, shape=SHAPE, **more):
    device = torch.device("cpu")
    return sample_latents(
        network, shape=shape, objective=objective, sampling=plan, device=device, **more
    )
