"""The only undocumented part of nnU-Net that is used here.

Segmenting uses ``nnUNetPredictor``, which is documented. Only making the phantom weights needs
more.

``tests/evaluation/test_private_nnunet.py`` tests it with the installed version.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def build_network(
    network_class: str,
    arguments: Mapping[str, object],
    imported: Sequence[str],
    *,
    n_outputs: int,
) -> "nn.Module":
    """Return a newly initialized network, as nnU-Net builds it from plans.json.

    The predictor builds its network in the same way, so the weights of this one fit. If the network
    was built by other means, a change in nnU-Net could make the phantom weights unusable.

    Parameters
    ----------
    network_class
        Import path of the network's class.
    arguments
        Arguments of the class.
    imported
        Names of the arguments that are given as import paths.
    n_outputs
        Number of output channels. There is one input channel.
    """
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    network: nn.Module = get_network_from_plans(
        network_class,
        dict(arguments),
        list(imported),
        1,
        n_outputs,
        allow_init=True,
        deep_supervision=False,
    )
    return network
