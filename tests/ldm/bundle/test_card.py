"""The LICENSE of a bundle claims about the autoencoder only what is known."""

from pathlib import Path

import numpy as np
import pytest

from ldm.bundle.card import PHANTOMS, license_text
from ldm.bundle.source import BundleSource
from ldm.config import Objective
from ldm.diffusion.checkpoint import Sampler
from tests.support.small_training import WHITENING, tiny_config


def license_of_autoencoder(*, is_phantom_autoencoder):
    config = tiny_config(objective=Objective.EPSILON)
    source = BundleSource(
        sampler=Sampler(config=config, whitening=WHITENING, epoch=1, weights={}),
        denoiser=Path("sampler.safetensors"),
        autoencoder=Path("autoencoder.safetensors"),
        affine=np.eye(4),
        scores={},
        n_copies=0,
        is_phantom_data=False,
        is_phantom_autoencoder=is_phantom_autoencoder,
    )
    return license_text(source).partition("models/model_autoencoder.safetensors")[2]


def test_the_autoencoder_of_this_package_was_trained_on_phantoms():
    assert PHANTOMS in license_of_autoencoder(is_phantom_autoencoder=True)


@pytest.mark.parametrize("maker", ["pancreatune train-autoencoder", "publisher"])
def test_terms_of_another_autoencoder_depend_on_who_trained_it(maker):
    text = license_of_autoencoder(is_phantom_autoencoder=False)
    assert maker in text
    assert "Not trained by pancreatune" not in text
