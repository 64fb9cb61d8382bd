"""Weights that are all zero, as in a file whose download stopped, and layers that may be zero."""

import pytest
import torch
from safetensors.torch import save_file

from ldm.autoencoder.model import load_autoencoder
from ldm.diffusion.denoiser import build_denoiser
from ldm.files.weights_file import load_weights
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER
from tests.support.small_training import tiny_config
from tests.support.small_weights import assert_same, refusal


def zero_from(path, share):
    """Overwrite the data of a safetensors file with zeros, from a share of it on."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    kept = start + int(share * (len(content) - start))
    path.write_bytes(content[:kept] + bytes(len(content) - kept))


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_a_file_whose_download_stopped_at_its_full_size_is_refused(tmp_path, source, target, share):
    path = tmp_path / "half.safetensors"
    save_file(source.state_dict(), path)
    zero_from(path, share)
    assert f"the weights of a layer in {path} must not all be zero" in refusal(path, target)


def test_layers_with_zeros_are_named_and_counted(tmp_path, source, target):
    state = source.state_dict()
    names = [name for name in state if state[name].ndim > 1 and ".conv2." not in name]
    torch.save({k: v * (k not in names[:5]) for k, v in state.items()}, tmp_path / "w")
    error = refusal(tmp_path / "w", target)
    assert f"they are in {', '.join(names[:3])} and 2 more, as in a file whose download" in error


def test_biases_may_be_zero(tmp_path, source, target):
    state = {name: value * (value.ndim > 1) for name, value in source.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    load_weights(target, tmp_path / "w.safetensors")
    assert_same(target, state)


def test_the_autoencoder_of_the_demo_loads_with_layers_that_never_left_zero():
    network = load_autoencoder(DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, torch.device("cpu"))
    state = network.state_dict()
    assert any(value.ndim > 1 and not value.any() for value in state.values())


def denoiser(seed):
    torch.manual_seed(seed)
    return build_denoiser(tiny_config().denoiser, latent_channels=3)


def test_an_untrained_denoiser_loads_with_the_layers_that_start_at_zero(tmp_path):
    source, target = denoiser(0), denoiser(1)
    state = source.state_dict()
    assert any(value.ndim > 1 and not value.any() for value in state.values())
    save_file(state, tmp_path / "sampler.safetensors")
    load_weights(target, tmp_path / "sampler.safetensors")
    assert_same(target, state)


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_denoiser_with_zeros_in_other_layers_is_refused(tmp_path, share):
    path = tmp_path / "sampler.safetensors"
    save_file(denoiser(0).state_dict(), path)
    zero_from(path, share)
    assert "must not all be zero, they are in" in refusal(path, denoiser(1))
