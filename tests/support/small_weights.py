"""A small autoencoder like that of MONAI's bundle, and what loading weights into it does."""

import pytest
import torch

from ldm.autoencoder.model import build_autoencoder
from ldm.errors import InputError
from ldm.files.weights_file import load_weights
from ldm.network_config import AutoencoderConfig

BUNDLE_LIKE = AutoencoderConfig(  # the MONAI bundle's, narrow
    latent_channels=3, channels=(8, 16, 16), n_res_blocks=2, norm_groups=8
)


def make(seed, **changes):
    torch.manual_seed(seed)
    fields = {name: getattr(BUNDLE_LIKE, name) for name in BUNDLE_LIKE.__slots__}
    return build_autoencoder(AutoencoderConfig(**fields | changes))


def assert_same(network, state):
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0, msg=name)


def refusal(path, network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(InputError) as raised:
        load_weights(network, path)
    assert_same(network, before)
    assert str(path) in str(raised.value)
    return str(raised.value)
