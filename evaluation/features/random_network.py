"""A network of random weights, the same on every machine: features where there is no file of any.

It has learned nothing. A random ResNet still tells edges, contrast and texture apart, and so it
orders damage to pictures; what an organ is, it cannot know.
"""

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

SEED = 0  # of the weights; another seed is another score


def random_resnet18(seed: int = SEED) -> nn.Module:
    """ResNet-18 of random weights up to its 512 pooled features, the same on every machine.

    He-initialized (He 2015, eq. 10, of a uniform distribution: no logarithm differs by machine);
    batch norms are the identity. It has learned nothing: it sees edges and texture, no organs.
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
    """Pictures in [0, 1] to [-1/8, 1/8]: its features, which grow with its input, are about 1."""
    return (images - 0.5) / 4
