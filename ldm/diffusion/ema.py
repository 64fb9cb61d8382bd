"""The exponential moving average of the weights, which samples are drawn from."""

import torch
from torch import Tensor, nn

from ldm.network_copy import copy_network

RAMP = 0.1  # largest half-life as a share of the samples seen (Karras 2024, EDM2)


def ema_decay(batch_size: int, samples_seen: int, half_life_samples: float | None) -> float:
    """Return the weight of the old average in one update.

    It is 0 if ``half_life_samples`` is None: the average is then a copy of the weights.

    The half-life counts training samples, so that it does not depend on the batch size. Early in
    the training it is limited to a tenth of the samples seen (Karras 2024, EDM2).
    """
    if half_life_samples is None:
        return 0.0
    half_life = min(half_life_samples, RAMP * max(samples_seen, 1))
    return float(0.5 ** (batch_size / half_life))


def start_average(network: nn.Module) -> nn.Module:
    """Return a copy of the network that has no gradients, as the start of the average."""
    return copy_network(network, lambda v: v.detach().clone()).eval().requires_grad_(False)


@torch.no_grad()
def update_average(average: Tensor, weights: Tensor, decay: float) -> None:
    """Update the average in place: average = decay * average + (1 - decay) * weights."""
    average.lerp_(weights, 1 - decay)
