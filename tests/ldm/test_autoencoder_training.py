"""Training the decoder: it learns to put up with noise, and leaves the encoder as it was."""

import pytest
import torch
from torch.nn import functional

from ldm.autoencoder import build_autoencoder
from ldm.autoencoder_start import start_from_components
from ldm.autoencoder_training import AutoencoderTraining, encode_crops, train_decoder
from ldm.recipes import DEMO_AUTOENCODER

PLAN = AutoencoderTraining(n_steps=60, batch_size=4, patch_latents=(4, 4, 4), learning_rate=2e-4)
NOISE = 0.2


def trained():
    """A network trained on a few smooth images; with its pairs and its weights before."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    coarse = torch.rand(12, 1, 4, 4, 4)
    crops = functional.interpolate(coarse, size=16, mode="trilinear").reshape(4, 3, 16, 16, 16)
    network = build_autoencoder(DEMO_AUTOENCODER)
    start_from_components(network, crops.flatten(0, 1)[:, None])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pairs = encode_crops(network, crops)
    losses = []
    train_decoder(network, pairs, PLAN, lambda _, loss: losses.append(loss))
    return network, pairs, before, losses


@pytest.fixture(scope="module")
def training():
    return trained()


def noisy_error(network, pairs):
    noise = torch.randn(pairs.latents.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        images = network.decode((pairs.latents + NOISE * noise).flatten(0, 1))
    return float((images - pairs.crops.flatten(0, 1)[:, None]).abs().mean())


def test_noise_in_the_latents_shows_less_than_before(training):
    network, pairs, before, _ = training
    untrained = build_autoencoder(DEMO_AUTOENCODER)
    untrained.load_state_dict(before)
    assert noisy_error(network, pairs) < 0.9 * noisy_error(untrained, pairs)


def test_the_encoder_and_the_ends_of_the_decoder_stay(training):
    network, _, before, _ = training
    changed = {
        name for name, value in network.state_dict().items() if (value != before[name]).any()
    }
    assert changed
    assert all(name.startswith("decoder.blocks.") for name in changed)
    assert not any(name.startswith(("decoder.blocks.0.", "decoder.blocks.7.")) for name in changed)


def test_each_step_is_reported(training):
    assert len(training[3]) == PLAN.n_steps


def test_a_seed_gives_the_same_weights_again(training):
    again, _, _, losses = trained()
    assert losses == training[3]
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, training[0].state_dict()[name], rtol=0, atol=0)
