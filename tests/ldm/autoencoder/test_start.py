"""Initializing an autoencoder as a principal component analysis."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from ldm.autoencoder.model import build_autoencoder, decode, encode
from ldm.autoencoder.start import POSTERIOR_STD, start_from_components
from ldm.recipes import DEMO_AUTOENCODER

HU_PER_UNIT = 2000


@pytest.fixture(scope="module")
def images():
    """Smooth random images in [0, 1] of different brightness, shape (6, 1, 16, 16, 16)."""
    torch.manual_seed(0)
    coarse = torch.rand(6, 1, 4, 4, 4) * 0.6 + torch.linspace(0, 0.4, 6).reshape(6, 1, 1, 1, 1)
    return functional.interpolate(coarse, size=16, mode="trilinear")


@pytest.fixture(scope="module")
def network(images):
    torch.manual_seed(0)
    network = build_autoencoder(DEMO_AUTOENCODER).eval()
    start_from_components(network, images)
    return network.requires_grad_(False)


def blocks_of_64(images):
    """Return every block of 4 x 4 x 4 voxels as a row, shape (blocks, 64)."""
    n, _, x, y, z = images.shape
    parts = images.reshape(n, x // 4, 4, y // 4, 4, z // 4, 4)
    return parts.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 64)


def projection(images, fitted):
    """Project images onto the leading principal components of the images ``fitted``."""
    center = fitted.mean()
    _, _, directions = torch.linalg.svd(blocks_of_64(fitted - center), full_matrices=False)
    kept = directions[: DEMO_AUTOENCODER.latent_channels]
    return blocks_of_64(images - center) @ kept.T @ kept + center


def test_it_is_a_principal_component_analysis(network, images):
    decoded = decode(network, encode(network, images).mean)
    error = (blocks_of_64(decoded) - projection(images, images)).abs().mean()
    assert error * HU_PER_UNIT < 5


def test_a_random_network_is_far_from_a_principal_component_analysis(images):
    torch.manual_seed(0)
    fresh = build_autoencoder(DEMO_AUTOENCODER).eval()
    assert (decode(fresh, encode(fresh, images).mean) - images).abs().mean() * HU_PER_UNIT > 100


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_the_mean_of_a_scan_survives_the_normalization(network, images, level):
    flat = torch.full((1, 1, 16, 16, 16), level)
    decoded = decode(network, encode(network, flat).mean)
    error = (blocks_of_64(decoded) - projection(flat, images)).abs().max()
    assert error * HU_PER_UNIT < 10


def test_latents_have_unit_variance_over_the_images(network, images):
    std = encode(network, images).mean.std((0, 2, 3, 4))
    torch.testing.assert_close(std, torch.ones(4), rtol=0.05, atol=0)


def test_the_posterior_is_equally_narrow_everywhere(network, images):
    std = encode(network, images).std
    torch.testing.assert_close(std, torch.full_like(std, POSTERIOR_STD))


def test_groups_without_room_for_the_constants_are_refused(images):
    crowded = build_autoencoder(dataclasses.replace(DEMO_AUTOENCODER, norm_groups=8))
    with pytest.raises(
        ValueError, match="must hold 1 channels of signal and 2 constants, it has 2"
    ):
        start_from_components(crowded, images)
