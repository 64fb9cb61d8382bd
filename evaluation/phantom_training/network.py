"""Training a tiny nnU-Net at half its resolution first: the full one is dear and adds little."""

from typing import Any

import torch
from torch import Tensor, nn


def half_logits(network: nn.Module, image: Tensor) -> Tensor:
    """Logits of the output one stage below the last, at half the resolution of the image."""
    net: Any = network  # nnU-Net's encoder and decoder are untyped
    decoder, skips = net.decoder, net.encoder(image)
    features = skips[-1]
    for s in range(len(decoder.stages) - 1):
        up = decoder.transpconvs[s](features)
        features = decoder.stages[s](torch.cat((up, skips[-(s + 2)]), dim=1))
    logits: Tensor = decoder.seg_layers[-2](features)
    return logits


@torch.no_grad()
def unfold_output(network: nn.Module) -> None:
    """Let the full-resolution output begin as the one a stage below, enlarged.

    The last stage normalizes the enlarged features; ``bias`` lifts them clear of its LeakyReLU.
    0.4 and 0.58 are mean and deviation of LeakyReLU of a standard normal variable.
    """
    decoder: Any = network.decoder  # nnU-Net is untyped
    up, last, norm_bias = decoder.transpconvs[-1], decoder.stages[-1].convs[0], 2.0
    below, output = decoder.seg_layers[-2:]
    n = up.weight.shape[0]
    for layer in (up, last.conv):
        layer.weight.mul_(0.05)
        layer.weight[range(n), range(n)] += 1.0
        layer.bias.zero_()
    last.norm.weight.fill_(1.0)
    last.norm.bias.fill_(norm_bias)
    output.weight.copy_(0.58 * below.weight)
    output.bias.copy_(below.bias + (0.4 - 0.58 * norm_bias) * below.weight.flatten(1).sum(1))


def freeze_all_but_output(network: nn.Module) -> None:
    """Leave only the full-resolution stage to be trained: the rest is done, and costs most."""
    decoder: Any = network.decoder
    network.requires_grad_(False)
    for layer in (decoder.transpconvs[-1], decoder.stages[-1], decoder.seg_layers[-1]):
        layer.requires_grad_(True)
