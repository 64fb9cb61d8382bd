"""A network with its optimizer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldm.autoencoder.config import TrainedPart
from ldm.networks import AutoencoderKL


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A network, and the Adam optimizer of its trainable weights."""

    network: nn.Module
    optimizer: torch.optim.Optimizer


def make_learner(network: nn.Module, learning_rate: float, trained: TrainedPart) -> Learner:
    """Create an Adam optimizer for the trained part of a network, and freeze all other weights.

    Returns both as a ``Learner``.
    """
    if trained is TrainedPart.DECODER:
        assert isinstance(network, AutoencoderKL)
        network.requires_grad_(False)
        network.decoder.blocks[1:-2].requires_grad_(True)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, learning_rate, fused=True)
    return Learner(network=network, optimizer=optimizer)


def update(learner: Learner, loss: Tensor, rate: float, clip_norm: float) -> float:
    """Take one optimizer step and return the gradient norm before clipping.

    ``rate`` is the learning rate of this step. Gradients with a norm above ``clip_norm`` are scaled
    down to it; infinity means no limit.
    """
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    learner.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
    norm = float(nn.utils.clip_grad_norm_(parameters, clip_norm))
    learner.optimizer.step()
    return norm
