"""Group normalization that stays in half precision where the convolutions around it are."""

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm


class GroupNorm(nn.GroupNorm):
    """PyTorch's, but under a GPU's autocast its values stay in autocast's type.

    Autocast there takes them, and the activation after them, to float32 and back: three times the
    memory traffic, for digits that the next convolution drops. Mean and variance are of float32
    either way, in the kernel.
    """

    def forward(self, value: Tensor) -> Tensor:
        """(n, channels, ...) to the same shape."""
        if value.device.type != "cuda" or not torch.is_autocast_enabled("cuda"):
            return super().forward(value)
        dtype = torch.get_autocast_dtype("cuda")
        with torch.autocast("cuda", enabled=False):
            weight, bias = self.weight.to(dtype), self.bias.to(dtype)
            return group_norm(value.to(dtype), self.num_groups, weight, bias, self.eps)


def use_fast_normalization(network: nn.Module) -> None:
    """Make each group normalization of ``network`` that scales and shifts one of ours, in place.

    Parameters, their names and the state of random generators stay as they are.
    """
    for part in network.modules():
        if type(part) is nn.GroupNorm and part.affine:
            part.__class__ = GroupNorm
