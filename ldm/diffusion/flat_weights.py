"""The weights of a network side by side in one tensor: one kernel updates all of them."""

import torch
from torch import Tensor, nn


class FlatWeights:
    """``values`` (n,) holds all parameters of a network, which become views of it.

    Move the network to its device before; afterwards only values may be written.
    """

    def __init__(self, network: nn.Module) -> None:
        self._weights = list(network.parameters())
        self.values = nn.Parameter(
            torch.cat([weight.detach().flatten() for weight in self._weights]),
            requires_grad=any(weight.requires_grad for weight in self._weights),
        )
        parts = self.values.detach().split([weight.numel() for weight in self._weights])
        for weight, part in zip(self._weights, parts, strict=True):
            weight.data = part.view_as(weight)

    def gather_gradients(self) -> Tensor:
        """Move the gradients of the network's parameters into ``values.grad``, and return it."""
        gradients = []
        for weight in self._weights:
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            gradients.append(gradient.flatten())
            weight.grad = None
        if self.values.grad is None:
            self.values.grad = torch.empty_like(self.values)
        return torch.cat(gradients, out=self.values.grad)
