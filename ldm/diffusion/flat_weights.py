"""Keep all weights of a network in one tensor, so that one kernel updates all of them."""

import torch
from torch import Tensor, nn


class FlatWeights:
    """One tensor with all weights of a network.

    After construction, the network's parameters are views of ``values``, of shape (n,). The network
    must already be on its device. Afterwards its parameters may be changed in place, but must not
    be replaced.
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
        """Move the gradients of the network's parameters into ``values.grad`` and return it.

        Parameters without a gradient count as zero.
        """
        gradients = []
        for weight in self._weights:
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            gradients.append(gradient.flatten())
            weight.grad = None
        if self.values.grad is None:
            self.values.grad = torch.empty_like(self.values)
        return torch.cat(gradients, out=self.values.grad)
