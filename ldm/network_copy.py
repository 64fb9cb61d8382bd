"""Copy a network and replace its tensors."""

import copy
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def copy_network(network: Network, replace: Callable[[Tensor], Tensor]) -> Network:
    """Return a deep copy of a network with ``replace(tensor)`` in place of each tensor.

    This includes parameters, buffers and tensors that are plain attributes. Unlike
    ``copy.deepcopy``, it also works on the fake tensors of ``ldm.memory``.
    """
    loose = [v for part in network.modules() for v in vars(part).values() if isinstance(v, Tensor)]
    replaced = {id(tensor): replace(tensor) for tensor in (*network.buffers(), *loose)}
    for weight in network.parameters():
        replaced[id(weight)] = nn.Parameter(replace(weight), requires_grad=weight.requires_grad)
    return copy.deepcopy(network, replaced)
