"""Feature networks: the same features on every machine, and files that fit or do not fit."""

import sys

import numpy as np
import pytest
import torch
from pytorch_fid import inception as pytorch_fid
from safetensors.torch import save_file
from scipy import ndimage
from torchvision.models import inception_v3, resnet50

from evaluation.features.fid_inception import build_fid_inception
from evaluation.features.networks import (
    NETWORKS,
    as_keras,
    load_features,
    to_medicalnet,
)
from evaluation.features.slices import slices_of
from evaluation.windows import DISPLAY_HU
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.data.geometry.volume import Volume
from ldm.errors import InputError
from ldm.loss_networks import build_medicalnet

RANDOM = "random_resnet18"
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def volume(array):
    return Volume(array=np.asarray(array, np.float32), affine=np.eye(4))


@pytest.fixture(scope="module")
def tissue():
    """Return a volume of two axial slices."""
    rng = np.random.default_rng(0)
    return volume(ndimage.gaussian_filter(rng.normal(0, 2000, (20, 16, 2)), (2, 2, 0)))


def pictures_of(tissue, window_hu=DISPLAY_HU):
    return torch.from_numpy(slices_of(tissue, "axial", window_hu))[:, None].expand(-1, 3, -1, -1)


def as_if_trained(network, seed=0):
    """Give a network random weights that pass a signal on, and batch norms unlike the identity.

    Any weight that is not loaded, and any input that is prepared differently, then changes the
    features.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d):
                deviation = (2 / module.weight[0].numel()) ** 0.5
                normal = torch.randn(module.weight.shape, generator=generator)
                module.weight.copy_(normal * deviation)
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
                variance, mean = torch.rand((2, *module.running_var.shape), generator=generator)
                module.running_var.copy_(0.5 + variance)
                module.running_mean.copy_(0.1 * mean)
    return network


def assert_features(ours, theirs):
    """Assert that both features are equal, and that they differ between slices."""
    ours, scale = np.asarray(ours), float(np.abs(theirs).max())
    assert ours.shape == theirs.shape
    assert np.abs(ours - np.asarray(theirs)).max() < 1e-4 * scale
    assert len(ours) == 1 or np.abs(ours[0] - ours[1]).max() > 1e-2 * scale


def without_counters(state):
    """Return the state as torch wrote it before version 0.4.1, without batch counters."""
    return {name: value for name, value in state.items() if "num_batches" not in name}


def test_fid_inception_gives_what_pytorch_fid_gives(tissue, tmp_path, monkeypatch):
    state = as_if_trained(build_fid_inception()).state_dict()
    torch.save(without_counters(state), tmp_path / "inception.pth")
    monkeypatch.setattr(pytorch_fid, "load_state_dict_from_url", lambda *_, **__: state)
    theirs = pytorch_fid.InceptionV3().eval()(pictures_of(tissue))[0][:, :, 0, 0]
    ours = load_features("inception", tmp_path / "inception.pth")["inception"](tissue)
    assert ours.shape == (2, 2048)
    assert_features(ours, theirs.numpy())


@pytest.fixture(scope="module")
def torchvision_inception(tmp_path_factory):
    """Write a file like torchvision's own, with an auxiliary classifier."""
    network = as_if_trained(inception_v3(weights=None, init_weights=False)).eval()
    path = tmp_path_factory.mktemp("inception") / "inception_v3.pth"
    torch.save(network.state_dict(), path)
    return network, path


def test_torchvision_inception_gives_what_torchvision_gives(tissue, torchvision_inception):
    """Torchvision normalizes images with ImageNet's mean and deviation; its network undoes that."""
    network, path = torchvision_inception
    network.transform_input, pooled = True, []
    network.avgpool.register_forward_hook(lambda *args: pooled.append(args[2][:, :, 0, 0]))
    means, deviations = (torch.tensor(three).view(1, 3, 1, 1) for three in IMAGENET)
    pictures = torch.nn.functional.interpolate(pictures_of(tissue), (299, 299), mode="bilinear")
    with torch.no_grad():
        network((pictures - means) / deviations)
    ours = load_features("inception_torchvision", path)["inception_torchvision"](tissue)
    assert_features(ours, pooled[0].numpy())


def test_the_other_inception_is_refused(torchvision_inception):
    with pytest.raises(InputError, match=r"does not fit.*has unknown AuxLogits"):
        load_features("inception", torchvision_inception[1])


def as_published(state):
    """Return the state with RadImageNet's names, which number the parts of a ResNet."""
    numbers = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    parts = {name: name.split(".", 1) for name in state if not name.startswith("fc")}
    return {f"backbone.{numbers[p[0]]}.{p[1]}": state[name] for name, p in parts.items()}


@pytest.mark.parametrize(
    "name_them",
    [as_published, pytest.param(dict, marks=pytest.mark.slow)],
    ids=["published", "torchvision"],
)
def test_radimagenet_looks_along_three_axes(tissue, tmp_path, name_them):
    network = as_if_trained(resnet50(weights=None)).eval()
    save_file(name_them(network.state_dict()), tmp_path / "resnet50.safetensors")
    looks = load_features("radimagenet", tmp_path / "resnet50.safetensors")
    network.fc = torch.nn.Identity()
    pictures = pictures_of(tissue, WINDOW_HU) - torch.tensor([0.406, 0.456, 0.485]).view(1, 3, 1, 1)
    with torch.no_grad():
        expected = network(pictures).numpy()
    assert_features(looks["radimagenet_axial"](tissue), expected)
    assert looks["radimagenet_coronal"](tissue).shape == (16, 2048)
    assert looks["radimagenet_sagittal"](tissue).shape == (10, 2048)


def test_the_resnet_of_keras_has_biases_and_strides_first(tissue, tmp_path):
    network = as_keras(resnet50(weights=None))
    state = network.state_dict()
    assert network.layer4[2].bn3.eps == 1.001e-5
    assert network.layer2[0].conv1.stride == (2, 2)
    assert network.layer2[0].conv2.stride == (1, 1)
    state["conv1.bias"] += 1
    save_file(state, tmp_path / "keras.safetensors")
    save_file({k: v for k, v in state.items() if k != "conv1.bias"}, tmp_path / "none.safetensors")
    looks = load_features("radimagenet_keras", tmp_path / "keras.safetensors")
    assert looks["radimagenet_keras_axial"](tissue).shape == (2, 2048)
    with pytest.raises(InputError, match=r"it lacks conv1\.bias"):
        load_features("radimagenet_keras", tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("depth", "channels"), [(10, 512), (18, 512), pytest.param(50, 2048, marks=pytest.mark.slow)]
)
def test_medicalnet_says_one_row_of_a_volume(tissue, tmp_path, depth, channels):
    network = as_if_trained(build_medicalnet(depth)).eval()
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": without_counters(state)}, tmp_path / "medicalnet.pth")
    name = f"medicalnet{depth}"
    features = load_features(name, tmp_path / "medicalnet.pth")[name](tissue)
    voxels = torch.from_numpy(tissue.array.clip(-1000, 1000) / 2000 + 0.5)[None, None]
    with torch.no_grad():
        expected = network(to_medicalnet(voxels)).numpy()
    assert features.shape == (1, channels)
    assert_features(features, expected)


def test_soft_tissue_is_about_0_to_medicalnet():
    assert to_medicalnet(torch.tensor([0.0, 0.5, 0.75])).tolist() == [-2, 0, 1]


def test_a_pickle_is_not_loaded(tmp_path):
    torch.save({"state_dict": resnet50}, tmp_path / "code.pth")
    with pytest.raises(InputError, match="could run code"):
        load_features("radimagenet", tmp_path / "code.pth")


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != RANDOM])
def test_a_network_without_its_file_is_refused(network):
    with pytest.raises(InputError, match=f"give {network}=FILE"):
        load_features(network)


def test_random_weights_are_in_no_file(tmp_path):
    with pytest.raises(InputError, match="leave it out"):
        load_features(RANDOM, tmp_path / "weights.pth")


def test_an_unknown_network_is_refused():
    with pytest.raises(InputError, match=r"inception, .* got vgg"):
        load_features("vgg")


def test_inception_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_fid", None)
    with pytest.raises(InputError, match="pip install pytorch-fid"):
        load_features("inception", tmp_path / "inception.pth")
