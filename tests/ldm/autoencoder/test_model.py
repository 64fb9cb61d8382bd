"""The autoencoder: loading weights safely, encoding, decoding, and the shipped weights' error."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ldm.autoencoder.metrics import measure_quality
from ldm.autoencoder.model import build_autoencoder, decode, encode, load_autoencoder
from ldm.config import Crop
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER
from tests.support.unseen_phantoms import UNSEEN_SEEDS, unseen_volumes

CPU = torch.device("cpu")
TINY = dataclasses.replace(DEMO_AUTOENCODER, channels=(8, 8, 16))
SHIPPED_MIB = 1.7


class RunsCode:
    """An object that creates a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_autoencoder(TINY).eval()


@pytest.fixture
def weights(tmp_path, network):
    path = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path)
    return path


def load(path, config=TINY):
    return load_autoencoder(config, path, CPU)


def test_weights_are_read_back_frozen(weights, network):
    loaded = load(weights)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=0, atol=0, msg=name)


def test_encoding_gives_a_quarter_of_the_grid(network):
    posterior = encode(network, torch.rand(2, 1, 48, 48, 32))
    assert posterior.mean.shape == posterior.std.shape == (2, 4, 12, 12, 8)
    assert (posterior.std > 0).all()


def test_each_scan_is_encoded_and_decoded_alone(network):
    images = torch.rand(3, 1, 16, 16, 16)
    mean = encode(network, images).mean
    torch.testing.assert_close(encode(network, images[1:2]).mean, mean[1:2])
    torch.testing.assert_close(decode(network, mean[1:2]), decode(network, mean)[1:2])


def test_decoding_stays_in_zero_to_one(network):
    images = decode(network, 50 * torch.randn(2, 4, 4, 4, 4))
    assert images.shape == (2, 1, 16, 16, 16)
    assert images.min() >= 0
    assert images.max() <= 1


def test_the_shipped_weights_are_small():
    assert PHANTOM_AUTOENCODER.stat().st_size <= SHIPPED_MIB * 2**20


@pytest.fixture(scope="module")
def shipped_error_hu():
    network = load(PHANTOM_AUTOENCODER, DEMO_AUTOENCODER)
    qualities = measure_quality(network, unseen_volumes(UNSEEN_SEEDS[:4]), CPU)
    return {one.crop: one.error_hu for one in qualities}


@pytest.mark.parametrize(
    ("crop", "at_most_hu"), [(Crop.FULL_BODY, 25), (Crop.SEMI_BODY, 25), (Crop.PANCREAS, 15)]
)
def test_the_shipped_weights_give_back_unseen_phantoms(shipped_error_hu, crop, at_most_hu):
    assert shipped_error_hu[crop] <= at_most_hu
