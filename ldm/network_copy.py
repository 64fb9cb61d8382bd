"""A network once more, with other tensors."""

import copy
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def copy_network(network: Network, replace: Callable[[Tensor], Tensor]) -> Network:
    """A deep copy with ``replace(tensor)`` for each parameter, buffer and other tensor of it.

    Tensors without values (``ldm.memory``) cannot be copied deeply themselves.
    """
    loose = [v for part in network.modules() for v in vars(part).values() if isinstance(v, Tensor)]
    replaced = {id(tensor): replace(tensor) for tensor in (*network.buffers(), *loose)}
    for weight in network.parameters():
        replaced[id(weight)] = nn.Parameter(replace(weight), requires_grad=weight.requires_grad)
    return copy.deepcopy(network, replaced)
