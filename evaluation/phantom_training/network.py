"""Train a small nnU-Net at half resolution first, because full resolution costs more time."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def half_logits(network: nn.Module, image: Tensor) -> Tensor:
    """Run an nnU-Net without its last decoder stage.

    ``image`` has shape (batch, channels, x, y, z). Returns the logits of the second finest output,
    shape (batch, labels, x/2, y/2, z/2).
    """
    net: Any = network  # nnU-Net's encoder and decoder are untyped
    decoder, skips = net.decoder, net.encoder(image)
    features = skips[-1]
    for s in range(len(decoder.stages) - 1):
        up = decoder.transpconvs[s](features)
        features = decoder.stages[s](torch.cat((up, skips[-(s + 2)]), dim=1))
    logits: Tensor = decoder.seg_layers[-2](features)
    return logits


@torch.no_grad()
def unfold_input(network: nn.Module, trained_weight: Tensor) -> None:
    """Initialize the input of a grown network so that it starts out like the network it grew from.

    The new first stage passes every second voxel on to the stages that were taken over. The norms
    cancel any scale and offset of the image. ``norm_bias`` shifts the image so far above 0 that the
    LeakyReLU between the two stages hardly changes it.

    ``trained_weight`` is the weight of the first convolution of the network it grew from, shape
    (features, 1, 1, 1, 1).
    """
    encoder: Any = network.encoder  # nnU-Net has no types
    first, second = (encoder.stages[i][0].convs[0] for i in (0, 1))
    norm_bias = 2.0
    first.conv.weight[0] = 1.0
    first.norm.weight[0], first.norm.bias[0] = 1.0, norm_bias
    second.conv.weight.zero_()
    second.conv.weight[:, 0] = trained_weight[:, 0]


@torch.no_grad()
def unfold_output(network: nn.Module) -> None:
    """Initialize the full-resolution output as the enlarged output of the stage below.

    The last stage normalizes the enlarged features. The output weights therefore include their
    standard deviation, and the output bias their mean. ``norm_bias`` shifts the features so far
    above 0 that the LeakyReLU of that stage hardly changes them.
    """
    decoder: Any = network.decoder  # nnU-Net has no types
    up, last, norm_bias = decoder.transpconvs[-1], decoder.stages[-1].convs[0], 2.0
    below, output = decoder.seg_layers[-2:]
    n = up.weight.shape[0]
    for layer in (up, last.conv):
        layer.weight.mul_(0.05)
        layer.weight[range(n), range(n)] += 1.0
        layer.bias.zero_()
    last.norm.weight.fill_(1.0)
    last.norm.bias.fill_(norm_bias)
    mean, deviation = _moments(decoder.stages[-2].convs[-1].norm)
    output.weight.copy_(below.weight * deviation[:, None, None, None])
    offset = mean - norm_bias * deviation
    output.bias.copy_(below.bias + below.weight.flatten(1) @ offset)


def _moments(norm: nn.InstanceNorm3d) -> tuple[Tensor, Tensor]:
    """Return the mean and standard deviation of each channel after a norm and its LeakyReLU.

    The values before are assumed to be normally distributed.
    """
    shares = (torch.arange(1000) + 0.5) / 1000
    normal = math.sqrt(2) * torch.erfinv(2 * shares - 1)
    values = functional.leaky_relu(norm.bias[:, None] + norm.weight[:, None] * normal)
    return values.mean(1), values.std(1)


def freeze_all_but_output(network: nn.Module) -> None:
    """Freeze all weights except those of the full-resolution stage.

    The other stages are trained already, and their gradients would take most of the time.
    """
    decoder: Any = network.decoder
    network.requires_grad_(False)
    for layer in (decoder.transpconvs[-1], decoder.stages[-1], decoder.seg_layers[-1]):
        layer.requires_grad_(True)
