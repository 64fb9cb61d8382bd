"""The configuration of an autoencoder's training: checks, fingerprints and the bundle's values."""

import dataclasses

import pytest

from ldm.autoencoder.config import AdversarialConfig, AutoencoderTrainingConfig
from ldm.autoencoder.recipes import AUTOENCODER_RECIPES, full
from ldm.config import Crop, InputSize
from ldm.errors import InputError
from ldm.files.dataclass_json import flat, from_dict, to_dict
from ldm.fingerprints import fingerprint
from ldm.recipes import RECIPES
from tests.support.small_autoencoder import ADVERSARIAL, tiny_config


@pytest.mark.parametrize("recipe", AUTOENCODER_RECIPES)
def test_a_recipe_goes_through_json_and_back(recipe):
    config = AUTOENCODER_RECIPES[recipe]()
    again = from_dict(AutoencoderTrainingConfig, to_dict(config))
    assert again == config
    assert fingerprint(again) == fingerprint(config)


def test_another_seed_has_another_fingerprint():
    assert fingerprint(tiny_config()) != fingerprint(tiny_config(seed=1))


@pytest.mark.parametrize("recipe", AUTOENCODER_RECIPES)
def test_the_network_is_that_of_the_sweeps_recipe_of_the_same_name(recipe):
    config, trial = AUTOENCODER_RECIPES[recipe](), RECIPES[recipe](Crop.PANCREAS)
    assert config.autoencoder == trial.autoencoder
    for image in config.images(Crop.PANCREAS):
        assert image == dataclasses.replace(trial.image, input_size=image.input_size)


# configs/train_autoencoder.json and scripts/losses.py of the bundle, version 1.1.
BUNDLE = {
    "autoencoder.latent_channels": 8,
    "autoencoder.channels": "64, 128, 256",
    "autoencoder.n_res_blocks": 2,
    "autoencoder.norm_groups": 32,
    "autoencoder.transposed_upsampling": False,
    "resampled_mm": 1.1,
    "learning_rate": 1e-5,
    "rate_schedule": "constant",
    "batch_size": 2,
    "patch_voxels": "112, 128, 80",
    "gradient_clip_norm": None,
    "kl_weight": 1e-7,
    "perceptual_weight": 0.1,
    "adversarial.weight": 0.1,
    "adversarial.start_step": 0,
    "adversarial.learning_rate": 1e-5,
    "adversarial.n_updates": 5,
    "adversarial.channels": 32,
    "adversarial.n_layers": 3,
}


def test_full_has_the_numbers_of_the_monai_bundle_except_for_these():
    found = flat(full())
    assert {name: found[name] for name in BUNDLE if found[name] != BUNDLE[name]} == {
        "learning_rate": 2e-5,
        "adversarial.learning_rate": 2e-5,
        "batch_size": 4,
        "patch_voxels": "112, 112, 80",
        "adversarial.start_step": 5000,
    }


def test_a_training_of_an_earlier_version_can_be_resumed():
    assert {name: fingerprint(recipe()) for name, recipe in AUTOENCODER_RECIPES.items()} == {
        "demo": "85d6b16b4d80",
        "full": "4a5d2d4d1b7a",
    }


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"patch_voxels": (16, 16, 6)}, r"multiples of 4 inside the grid .*got \(16, 16, 6\)"),
        ({"patch_voxels": (20, 16, 16)}, "inside the grid"),
        ({"evaluate_every_steps": 3, "report_every_steps": 2}, "evaluate_every_steps must be a mu"),
        ({"checkpoint_every_steps": 0}, "checkpoint_every_steps must be a multiple"),
        ({"crops": (Crop.PANCREAS, Crop.PANCREAS)}, "crops must have .* no duplicates"),
        ({"crops": ()}, "crops must have at least one entry"),
        ({"input_sizes": (InputSize.FIT, InputSize.FIT)}, "input_sizes must have .* no duplicates"),
        ({"crop_shares": (1.0, 1.0, 0.0)}, "crop_shares must be positive"),
        (
            {"patch_voxels": (16, 16, 8), "adversarial": ADVERSARIAL},
            "patch_voxels must be 12 or more for a discriminator with 2 layers",
        ),
        ({"kl_weight": -1.0}, "kl_weight must not be negative, got -1"),
        ({"learning_rate": 0.0}, "learning_rate must be in"),
        ({"n_steps": 0}, "n_steps must be positive"),
    ],
)
def test_a_wrong_value_is_refused_with_the_rule(fields, rule):
    with pytest.raises(InputError, match=rule):
        tiny_config(**fields)


def test_the_share_of_an_unused_crop_may_be_zero():
    tiny_config(crops=(Crop.FULL_BODY,), crop_shares=(1.0, 0.0, 0.0))


def test_a_discriminator_needs_a_weight():
    with pytest.raises(InputError, match="weight must be positive"):
        AdversarialConfig(weight=0.0, start_step=0, learning_rate=1e-3)
