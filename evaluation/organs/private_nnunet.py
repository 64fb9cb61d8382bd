"""The one part of nnU-Net used here that its documentation does not name.

Segmenting goes through ``nnUNetPredictor``, which is documented. Only making the phantom weights
needs more.

``tests/evaluation/test_private_nnunet.py`` runs it against the installed version.
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
    """The network that nnU-Net builds from a plans file, for one input channel, newly initialized.

    ``arguments`` are those of ``network_class``, as in plans.json; those named in ``imported`` are
    given by their import path. The predictor builds its network in the same way, so the weights of
    this one fit it. Building it by other means would work until nnU-Net builds it differently, and
    then the phantom weights could not be loaded.
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
