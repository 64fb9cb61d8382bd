"""A network with random weights, the same on every machine, for use without a weights file.

It has learned nothing. A random ResNet still responds to edges, contrast and texture, so its
features get worse with more damage to an image. It cannot know what an organ is.
"""

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

SEED = 0  # of the random weights; a different seed gives a different score


def random_resnet18(seed: int = SEED) -> nn.Module:
    """Build a ResNet-18 with random weights that returns its 512 pooled features.

    Weights follow He 2015, eq. 10, drawn from a uniform distribution. Unlike a normal distribution,
    it needs no logarithm, whose rounding could differ between machines. Batch norms are the
    identity.
    """
    network: nn.Module = resnet18(weights=None)
    network.fc = nn.Identity()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                bound = (6 / module.weight[0].numel()) ** 0.5
                uniform = torch.rand(module.weight.shape, generator=generator)
                module.weight.copy_((2 * uniform - 1) * bound)
    return network


def to_random_resnet18(images: Tensor) -> Tensor:
    """Map images in [0, 1] to [-1/8, 1/8].

    Features grow in proportion to the input; with this range they are about 1.
    """
    return (images - 0.5) / 4
