"""Group normalization that stays in half precision under autocast on a GPU."""

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm


class GroupNorm(nn.GroupNorm):
    """A group normalization that returns autocast's data type under autocast on a GPU.

    PyTorch's version converts its input to float32 under autocast, and the activation that follows
    computes in float32 too. This takes three times the memory traffic, for digits that the next
    convolution discards. The kernel computes mean and variance in float32 in both cases.
    """

    def forward(self, value: Tensor) -> Tensor:
        """Normalize values (n, channels, ...) and keep their shape."""
        if value.device.type != "cuda" or not torch.is_autocast_enabled("cuda"):
            return super().forward(value)
        dtype = torch.get_autocast_dtype("cuda")
        with torch.autocast("cuda", enabled=False):
            weight, bias = self.weight.to(dtype), self.bias.to(dtype)
            return group_norm(value.to(dtype), self.num_groups, weight, bias, self.eps)


def use_fast_normalization(network: nn.Module) -> None:
    """Turn all affine group normalizations of a network into this module's ``GroupNorm``, in place.

    Parameters and their names do not change, and no random numbers are drawn.
    """
    for part in network.modules():
        if type(part) is nn.GroupNorm and part.affine:
            part.__class__ = GroupNorm
