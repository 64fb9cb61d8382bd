"""Exponential moving average of weights, the model that is sampled from."""

import torch
from torch import Tensor, nn

from ldm.network_copy import copy_network

RAMP = 0.1  # early on, the average reaches back over a tenth of what was seen (Karras 2024, EDM2)


def ema_decay(batch_size: int, samples_seen: int, half_life_samples: float) -> float:
    """The share of the average that a step keeps; the half life is in samples, not steps."""
    half_life = min(half_life_samples, RAMP * max(samples_seen, 1))
    return float(0.5 ** (batch_size / half_life))


def start_average(network: nn.Module) -> nn.Module:
    """A copy that takes no gradients."""
    return copy_network(network, lambda v: v.detach().clone()).eval().requires_grad_(False)


@torch.no_grad()
def update_average(average: Tensor, weights: Tensor, decay: float) -> None:
    """average <- decay * average + (1 - decay) * weights, in place."""
    average.lerp_(weights, 1 - decay)
