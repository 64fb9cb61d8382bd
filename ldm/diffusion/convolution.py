"""Convolutions of 3 x 3 x 3 voxels that train faster on CPUs without AVX-512."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv3d
from torch.nn.grad import conv3d_input

HAS_AVX512 = "AVX512" in torch.backends.cpu.get_cpu_capability()


class _Convolution(torch.autograd.Function):
    """A size-preserving convolution whose weight gradient is computed by a convolution as well.

    The gradient of weight (o, i, k) is the sum over scans n and voxels v of gradient (n, o, v) *
    input (n, i, v + k). This is a convolution of the two mirrored arrays, in which channels take
    the place of the batch, and scans take the place of the channels. On CPUs with AVX2 only,
    oneDNN's own kernel takes 3 to 5 times as long, at the size of the recipe ``demo``.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(value, weight)
        return conv3d(value, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        value, weight = ctx.saved_tensors
        for_value, for_weight, for_bias = ctx.needs_input_grad
        return (
            conv3d_input(value.shape, weight, gradient, padding=1) if for_value else None,
            conv3d(_mirrored(gradient), _mirrored(value), padding=1) if for_weight else None,
            gradient.sum((0, 2, 3, 4)) if for_bias else None,
        )


def _mirrored(value: Tensor) -> Tensor:
    """Swap scans and channels, and flip the values along each spatial axis.

    The shape changes from (n, channels, x, y, z) to (channels, n, x, y, z). Convolving an output
    gradient with an input, both mirrored in this way, gives the gradient of the weights.
    """
    return value.transpose(0, 1).flip(2, 3, 4)


class Conv3d(nn.Conv3d):
    """A convolution with kernel 3, stride 1 and padding 1, with PyTorch's values and gradients."""

    def forward(self, value: Tensor) -> Tensor:
        """Convolve values (n, channels, x, y, z). Returns (n, output channels, x, y, z)."""
        if _is_faster(value) and torch.is_grad_enabled():
            found: Tensor = _Convolution.apply(value, self.weight, self.bias)
            return found
        return conv3d(value, self.weight, self.bias, padding=1)


def _is_faster(value: Tensor) -> bool:
    return value.device.type == "cpu" and not torch.is_autocast_enabled("cpu") and not HAS_AVX512


def use_fast_convolutions(network: nn.Module) -> None:
    """Turn all suitable convolutions of a network into this module's ``Conv3d``, in place.

    Parameters and their names do not change, and no random numbers are drawn.
    """
    for part in network.modules():
        if type(part) is nn.Conv3d and _is_plain(part):
            part.__class__ = Conv3d


def _is_plain(part: nn.Conv3d) -> bool:
    wanted = {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 1}
    return (
        all(getattr(part, name) == (n, n, n) for name, n in wanted.items())
        and part.groups == 1
        and part.padding_mode == "zeros"
    )
