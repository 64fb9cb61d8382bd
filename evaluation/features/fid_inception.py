"""Inception-v3 as the FID defines it: the network of pytorch-fid, without its download."""

from typing import Any

from torch import nn
from torchvision.models import inception_v3

from ldm.errors import InputError

N_CLASSES = 1008  # of TensorFlow's 2015 network


def build_fid_inception() -> nn.Module:
    """The network of pt_inception-2015-12-05-6726825d.pth; its weights are random.

    As pytorch_fid.inception.fid_inception_v3 builds it: torchvision's network with average pools
    that leave out the padding, and in its last block a maximum instead. Raises InputError where
    pytorch-fid is not installed.
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
        from pytorch_fid import inception  # only who has its weights needs it
    except ModuleNotFoundError as error:
        raise InputError(
            f"Inception features need the package pytorch-fid ({error}): "
            "run `pip install pytorch-fid`, or take random_resnet18"
        ) from error
    return inception
