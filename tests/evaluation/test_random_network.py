"""The network with random weights gives the same features on every machine and notices damage."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from evaluation.features.frechet import frechet_distance
from evaluation.features.networks import load_features
from evaluation.features.random_network import random_resnet18
from ldm.data.geometry.volume import Volume
from ldm.data.phantom.phantom import make_phantom

RANDOM = "random_resnet18"


def volume(array):
    return Volume(array=np.asarray(array, np.float32), affine=np.eye(4))


def test_random_weights_are_the_same_on_every_machine():
    first = random_resnet18().conv1.weight
    expected = torch.tensor([-0.001512566115707159, 0.10837797075510025, -0.16628022491931915])
    torch.testing.assert_close(first[0, 0, 0, :3], expected, rtol=0, atol=0)


def test_random_weights_are_he_initialized():
    weight = random_resnet18().layer3[0].conv2.weight.detach()
    assert float(weight.std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    assert float(weight.mean()) == pytest.approx(0, abs=1e-3)


def test_random_weights_leave_the_random_state_alone():
    before = torch.get_rng_state()
    load_features(RANDOM)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_volume_has_a_row_of_512_features_a_slice():
    array = np.random.default_rng(0).normal(0, 100, (20, 16, 2))
    features = load_features(RANDOM)[RANDOM](volume(array))
    assert features.shape == (2, 512)
    assert features.dtype == np.float32
    assert np.abs(features[0] - features[1]).max() > 0.01


def test_air_has_features():
    features = load_features(RANDOM)[RANDOM](volume(np.full((16, 16, 4), -1000)))
    assert np.isfinite(features).all()
    assert features == pytest.approx(np.tile(features[0], (4, 1)))


@cache
def small_phantom(seed):
    return make_phantom(seed).scan.array[::2, ::2, ::8]


def features_of_phantoms(seeds, change=lambda hu: hu):
    look = load_features(RANDOM)[RANDOM]
    return np.concatenate([look(volume(change(small_phantom(seed)))) for seed in seeds])


@pytest.mark.parametrize(
    "damage",
    [
        ndimage.gaussian_filter,
        lambda hu, size: hu + np.random.default_rng(0).normal(0, 50 * size, hu.shape),
        lambda hu, size: hu + 60 * size,
        lambda hu, size: ndimage.zoom(hu, (1 + 0.2 * size, 1 + 0.2 * size, 1))[:48, :40],
    ],
    ids=["blur", "noise", "shift", "zoom"],
)
def test_random_features_order_known_damage(damage):
    real = features_of_phantoms(range(3, 6))
    values = [
        frechet_distance(features_of_phantoms(range(3), lambda hu, s=size: damage(hu, s)), real)
        for size in (0, 1, 2)
    ]
    assert values == sorted(values)
