"""The LICENSE claims only what is known, and all texts name the same packages."""

from pathlib import Path

import numpy as np
import pytest

from ldm.bundle.card import INSTALL, PHANTOMS, license_text
from ldm.bundle.metadata import REQUIRED
from ldm.bundle.source import BundleSource
from ldm.config import Objective
from ldm.diffusion.checkpoint import Sampler
from pancreatune.export import EXAMPLES
from tests.support.repository import ROOT
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
    return license_text(source, "pancreatune_0123").partition(
        "models/model_autoencoder.safetensors"
    )[2]


def test_the_autoencoder_of_this_package_was_trained_on_phantoms():
    assert PHANTOMS in license_of_autoencoder(is_phantom_autoencoder=True)


@pytest.mark.parametrize("maker", ["pancreatune train-autoencoder", "publisher"])
def test_terms_of_another_autoencoder_depend_on_who_trained_it(maker):
    text = license_of_autoencoder(is_phantom_autoencoder=False)
    assert maker in text
    assert "Not trained by pancreatune" not in text


def test_all_texts_name_the_packages_of_the_model_card():
    line = INSTALL.format(monai="monai")
    assert line in (ROOT / "README.md").read_text().splitlines()
    assert line in EXAMPLES
    assert set(REQUIRED) < set(line.split())
