"""Networks that turn volumes into features: one with random weights, others loaded from files.

A network's name fixes its architecture and how a volume is prepared for it. Scores with the same
name and the same weights file can therefore be compared. Weights files are state dicts or
safetensors. Nothing is downloaded, and no code from a file is executed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import inception_v3, resnet50
from torchvision.models.resnet import Bottleneck

from evaluation.features.extraction import RANDOM, parts_of
from evaluation.features.fid_inception import build_fid_inception
from evaluation.features.random_network import random_resnet18, to_random_resnet18
from evaluation.features.slices import Normalize, slice_features, volume_features
from evaluation.observation import Features
from evaluation.windows import DISPLAY_HU
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.errors import InputError
from ldm.files.state_dict import read_state_dict
from ldm.files.weights_file import fit_weights
from ldm.loss_networks import build_medicalnet

# The HU window of axial slices. With [-1000, 1000] HU the random network cannot tell phantoms with
# noise of 40 HU, or shifted by 60 HU, from undamaged ones. With this window it scores them about 15
# standard deviations away from the null.
SOFT_TISSUE_HU = DISPLAY_HU
INCEPTION_PIXELS = 299
CAFFE_MEAN = (0.406, 0.456, 0.485)  # ImageNet's means in the order blue, green, red
KERAS_EPS = 1.001e-5
CLASSIFIER = ("fc.weight", "fc.bias")
# How files name the parts of a network: RadImageNet's files number the layers of the ResNet.
RESNET_PREFIXES = {
    "backbone.0.": "conv1.",
    "backbone.1.": "bn1.",
    **{f"backbone.{n + 3}.": f"layer{n}." for n in (1, 2, 3, 4)},
}


def _inception(network: nn.Module, name: str, path: Path) -> dict[str, Features]:
    network.fc = nn.Identity()
    _load(network, path)
    return {name: _axial(network, to_inception)}


def _axial(network: nn.Module, normalize: Normalize) -> Features:
    return slice_features(network, normalize, plane="axial", window_hu=SOFT_TISSUE_HU)


def to_inception(images: Tensor) -> Tensor:
    """Resize images to 299 x 299 pixels and map [0, 1] to [-1, 1], as pytorch-fid does.

    The images have shape (n, channels, height, width).
    """
    size = (INCEPTION_PIXELS, INCEPTION_PIXELS)
    return 2 * functional.interpolate(images, size=size, mode="bilinear", align_corners=False) - 1


def to_caffe(images: Tensor) -> Tensor:
    """Subtract ImageNet's mean colors, blue first, from images in [0, 1].

    The images show the window [-1000, 1000] HU. MAISI prepares CT for RadImageNet in the same way.
    """
    return images - torch.tensor(CAFFE_MEAN).view(1, 3, 1, 1)


def to_medicalnet(voxels: Tensor) -> Tensor:
    """Map voxels in [0, 1] to about mean 0 and standard deviation 1.

    The unit interval spans the window [-1000, 1000] HU, so 0 HU becomes 0 and 500 HU becomes 1.
    MedicalNet itself scales each volume by its own mean and standard deviation. That would hide a
    shift of all HU from the score.
    """
    return (voxels - 0.5) / 0.25


def _fid_inception(name: str, path: Path) -> dict[str, Features]:
    return _inception(build_fid_inception(), name, path)


def _torchvision_inception(name: str, path: Path) -> dict[str, Features]:
    network = inception_v3(weights=None, init_weights=False, transform_input=False)
    return _inception(network, name, path)


def _radimagenet(name: str, path: Path) -> dict[str, Features]:
    return _three_planes(resnet50(weights=None), name, path)


def _keras_radimagenet(name: str, path: Path) -> dict[str, Features]:
    return _three_planes(as_keras(resnet50(weights=None)), name, path)


def _three_planes(network: nn.Module, name: str, path: Path) -> dict[str, Features]:
    network.fc = nn.Identity()
    _load(network, path, prefixes=RESNET_PREFIXES)
    return {
        part: slice_features(
            network, to_caffe, plane=part.removeprefix(f"{name}_"), window_hu=WINDOW_HU
        )
        for part in parts_of(name)
    }


def as_keras(network: nn.Module) -> nn.Module:
    """Change a ResNet of torchvision, in place, into the variant that Keras defines.

    RadImageNet's published weights come from Keras. There, convolutions have a bias, and the first
    convolution of a block has the stride instead of the second.
    """
    for block in [one for one in network.modules() if isinstance(one, Bottleneck)]:
        block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
        if isinstance(module, nn.BatchNorm2d):
            module.eps = KERAS_EPS
    return network


def _medicalnet(name: str, path: Path) -> dict[str, Features]:
    network: nn.Module = build_medicalnet(int(name.removeprefix("medicalnet")))
    _load(network, path)
    return {name: volume_features(network, to_medicalnet)}


def _load(network: nn.Module, path: Path, *, prefixes: Mapping[str, str] | None = None) -> None:
    """Load the weights in a file into ``network``, without its classifier.

    ``prefixes`` translates the names in the file to the network's names. Files from old versions of
    torch lack the batch counters of batch norms. Inference does not use them, so the network's own
    are kept.
    """
    counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
    state = {_renamed(name, prefixes or {}): value for name, value in read_state_dict(path).items()}
    weights = {name: value for name, value in state.items() if name not in CLASSIFIER}
    fit_weights(network, counters | weights, path)


def _renamed(name: str, prefixes: Mapping[str, str]) -> str:
    for old, new in prefixes.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


LOADERS: dict[str, Callable[[str, Path], dict[str, Features]]] = {
    "inception": _fid_inception,
    "inception_torchvision": _torchvision_inception,
    "radimagenet": _radimagenet,
    "radimagenet_keras": _keras_radimagenet,
    "medicalnet10": _medicalnet,
    "medicalnet18": _medicalnet,
    "medicalnet34": _medicalnet,
    "medicalnet50": _medicalnet,
}
NETWORKS = (RANDOM, *LOADERS)


def load_features(network: str, weights: Path | None = None) -> dict[str, Features]:
    """Load one network and return the functions that compute its features, by feature name.

    A network that looks along three axes returns one function for each plane, other networks return
    a single one.

    Parameters
    ----------
    network
        One of ``NETWORKS``.
    weights
        The file with the network's weights; None for ``random_resnet18``, which has no file.

    Raises
    ------
    InputError
        If the network is unknown, if a file is missing or superfluous, or if the file does not fit
        the network. The message then says what differs.
    """
    _check_file(network, weights)
    with torch.random.fork_rng(devices=[]):  # building a network draws random weights: undo that
        if weights is None:
            return {RANDOM: _axial(random_resnet18(), to_random_resnet18)}
        return LOADERS[network](network, weights)


def _check_file(network: str, weights: Path | None) -> None:
    if network not in NETWORKS:
        raise InputError(
            f"a feature network is one of {', '.join(NETWORKS)}", seen=f"got {network}"
        )
    if network == RANDOM and weights is not None:
        raise InputError(
            f"{RANDOM} has random weights and takes no file",
            seen=f"got the file {weights}",
            remedy="leave it out",
        )
    if network != RANDOM and weights is None:
        raise InputError(
            f"{network} needs a file with its weights",
            seen="got none",
            remedy=f"give {network}=FILE, or use {RANDOM}",
        )
