"""A network with the optimizer that moves its weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldm.autoencoder.config import Trained
from ldm.networks import AutoencoderKL


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A network, and Adam over those of its weights that move."""

    network: nn.Module
    optimizer: torch.optim.Optimizer


def make_learner(network: nn.Module, learning_rate: float, trained: Trained) -> Learner:
    """The weights that stay get no gradients."""
    if trained is Trained.DECODER:
        assert isinstance(network, AutoencoderKL)
        network.requires_grad_(False)
        network.decoder.blocks[1:-2].requires_grad_(True)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, learning_rate, fused=True)
    return Learner(network=network, optimizer=optimizer)


def update(learner: Learner, loss: Tensor, rate: float, clip_norm: float) -> float:
    """One step of the optimizer; returns the gradient norm before clipping."""
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    learner.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
    norm = float(nn.utils.clip_grad_norm_(parameters, clip_norm))
    learner.optimizer.step()
    return norm
