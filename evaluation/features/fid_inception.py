"""Build the Inception-v3 network that defines the FID, without downloading its weights."""

from typing import Any

from torch import nn
from torchvision.models import inception_v3

from ldm.errors import InputError

N_CLASSES = 1008  # outputs of TensorFlow's network of 2015, from which the weights come


def build_fid_inception() -> nn.Module:
    """Build the network that ``pt_inception-2015-12-05-6726825d.pth`` fits, with random weights.

    The network equals that of ``pytorch_fid.inception.fid_inception_v3``: torchvision's
    Inception-v3 whose average pooling ignores the padding, and whose last block uses max pooling
    instead.

    Raises
    ------
    InputError
        If pytorch-fid is not installed.
    """
    blocks = _pytorch_fid()
    network: nn.Module = inception_v3(
        weights=None, num_classes=N_CLASSES, aux_logits=False, init_weights=False
    )
    for name, channels, pool_features in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        block = blocks.FIDInceptionA(channels, pool_features=pool_features)
        setattr(network, f"Mixed_{name}", block)
    for name, channels_7x7 in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        setattr(network, f"Mixed_{name}", blocks.FIDInceptionC(768, channels_7x7=channels_7x7))
    network.Mixed_7b = blocks.FIDInceptionE_1(1280)
    network.Mixed_7c = blocks.FIDInceptionE_2(2048)
    return network


def _pytorch_fid() -> Any:
    try:
        from pytorch_fid import inception  # optional: needed only with Inception weights
    except ModuleNotFoundError as error:
        raise InputError(
            "Inception features need the package pytorch-fid",
            seen=f"but it cannot be imported ({error})",
            remedy="run `pip install pytorch-fid`, or use random_resnet18",
        ) from error
    return inception
