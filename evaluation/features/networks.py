"""Networks whose features tell sets of volumes apart: one of random weights, and those of files.

A name is one architecture and one way to show it a volume, so values under one name compare, of
one file of weights. Files are state dicts or safetensors; nothing is downloaded or executed.
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
from ldm.files.weights_file import fit_weights, read_state
from ldm.loss_networks import build_medicalnet

# What axial networks are shown. The random one, shown [-1000, 1000] HU, scores phantoms with noise
# of 40 HU, or shifted by 60 HU, as undamaged ones; shown this, about 15 deviations of the null off.
SOFT_TISSUE_HU = DISPLAY_HU
INCEPTION_PIXELS = 299
CAFFE_MEAN = (0.406, 0.456, 0.485)  # ImageNet's of blue, green and red, as RadImageNet's users have
KERAS_EPS = 1.001e-5
CLASSIFIER = ("fc.weight", "fc.bias")
# Names in files: RadImageNet's own files number the parts of a ResNet, MedicalNet's were in
# parallel when they were saved.
RESNET_PREFIXES = {
    "backbone.0.": "conv1.",
    "backbone.1.": "bn1.",
    **{f"backbone.{n + 3}.": f"layer{n}." for n in (1, 2, 3, 4)},
}
PARALLEL_PREFIXES = {"module.": ""}


def _inception(network: nn.Module, name: str, path: Path) -> dict[str, Features]:
    network.fc = nn.Identity()
    _load(network, path)
    return {name: _axial(network, to_inception)}


def _axial(network: nn.Module, normalize: Normalize) -> Features:
    return slice_features(network, normalize, plane="axial", window_hu=SOFT_TISSUE_HU)


def to_inception(images: Tensor) -> Tensor:
    """Pictures in [0, 1] to 299 x 299 pixels in [-1, 1], as pytorch-fid resizes them."""
    size = (INCEPTION_PIXELS, INCEPTION_PIXELS)
    return 2 * functional.interpolate(images, size=size, mode="bilinear", align_corners=False) - 1


def to_caffe(images: Tensor) -> Tensor:
    """Pictures in [0, 1] of [-1000, 1000] HU less ImageNet's mean colors, blue first: as MAISI
    shows CT to RadImageNet."""
    return images - torch.tensor(CAFFE_MEAN).view(1, 3, 1, 1)


def to_medicalnet(voxels: Tensor) -> Tensor:
    """[0, 1] of the HU window to about mean 0 and deviation 1: 0 HU gives 0, 500 HU give 1.

    MedicalNet's own scaling, by the mean and the deviation of each volume, would hide from the
    score that all HU are shifted.
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
    """A ResNet of torchvision made that of Keras, from which RadImageNet's published weights come.

    Convolutions have a bias, and the first of a block, not the second, has the stride.
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
    _load(network, path, prefixes=PARALLEL_PREFIXES)
    return {name: volume_features(network, to_medicalnet)}


def _load(network: nn.Module, path: Path, *, prefixes: Mapping[str, str] | None = None) -> None:
    """Weights of a file under the network's names, without its classifier.

    Files of old torch lack the numbers of batches that batch norms have seen: nothing reads them.
    """
    counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
    state = {_renamed(name, prefixes or {}): value for name, value in read_state(path).items()}
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
    """What an observer looks with: the parts of one network, by the name of their features.

    ``weights`` is the network's file; ``random_resnet18`` has none. Raises InputError for an
    unknown network, a file too many or too few, and a file that does not fit, with what differs.
    """
    _check_file(network, weights)
    with torch.random.fork_rng(devices=[]):  # networks are built with weights that go unused
        if weights is None:
            return {RANDOM: _axial(random_resnet18(), to_random_resnet18)}
        return LOADERS[network](network, weights)


def _check_file(network: str, weights: Path | None) -> None:
    if network not in NETWORKS:
        raise InputError(f"features are those of {', '.join(NETWORKS)}, got {network}")
    if network == RANDOM and weights is not None:
        raise InputError(f"{RANDOM} draws its weights, got the file {weights}: leave it out")
    if network != RANDOM and weights is None:
        raise InputError(
            f"{network} needs the file of its weights, got none: give {network}=FILE, or "
            f"take {RANDOM}"
        )
