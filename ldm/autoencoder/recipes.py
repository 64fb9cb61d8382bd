"""Recipes: named, complete configurations of the training of an autoencoder.

Standard library only.
"""

from collections.abc import Callable
from enum import StrEnum

from ldm.autoencoder.config import (
    AdversarialConfig,
    AutoencoderTrainingConfig,
    RateSchedule,
    Start,
    TrainedPart,
)
from ldm.config import InputSize
from ldm.recipes import BUNDLE_AUTOENCODER, BUNDLE_GRID_VOXELS, DEMO_AUTOENCODER


class AutoencoderRecipe(StrEnum):
    """The names of the recipes."""

    DEMO = "demo"
    FULL = "full"


def demo() -> AutoencoderTrainingConfig:
    """Return the recipe of the weights that ship with this package.

    Training on phantoms takes half an hour on one core. The network starts as a principal component
    analysis. Then only the decoder is trained, to reconstruct scans from noisy latents.
    """
    return AutoencoderTrainingConfig(
        recipe="demo",
        autoencoder=DEMO_AUTOENCODER,
        grid_voxels=(48, 48, 32),
        resampled_mm=3.3,
        input_sizes=(InputSize.FIT,),
        crop_shares=(0.35, 0.45, 0.2),  # coarse crops are harder to reconstruct
        patch_voxels=(24, 24, 16),
        batch_size=8,
        n_steps=3000,
        start=Start.COMPONENTS,
        trained=TrainedPart.DECODER,
        learning_rate=3e-4,
        rate_schedule=RateSchedule.ONE_CYCLE,
        gradient_clip_norm=1.0,
        kl_weight=0.0,  # the encoder is not trained
        latent_noise=0.15,
        perceptual_weight=0.0,
        adversarial=None,
        recompute_activations=False,
        report_every_steps=50,
        evaluate_every_steps=1500,
        checkpoint_every_steps=250,
    )


def full() -> AutoencoderTrainingConfig:
    """Return a recipe for real CT at the study's resolution, from random weights.

    Training takes days on one GPU.

    From MONAI's bundle brats_mri_generative_diffusion, as published in version 1.1
    (``train_autoencoder.json`` and ``scripts/losses.py``): the network, the discriminator, voxels
    of 1.1 mm, Adam with a constant rate, the weights of all parts of the loss, and five updates of
    the discriminator for each of the autoencoder.

    Ours, with the bundle's value in parentheses: a learning rate of 2e-5 (1e-5), batches of 4 (2)
    patches of 112 x 112 x 80 voxels (112 x 128 x 80), 100,000 steps (1500 epochs, which are 291,000
    steps on its 388 scans), a discriminator from step 5000 on (from the first step) whose own loss
    has the weight 1 (0.1, which Adam cancels), bfloat16 where the hardware has it (float32), one HU
    window for all scans (percentiles of each scan), and training on every input size (one). The
    learning rate, the batch and the patch are those of a draft of the bundle, whose network was
    another. They stay as they are, so that a training that was started with them can be resumed.
    """
    return AutoencoderTrainingConfig(
        recipe="full",
        autoencoder=BUNDLE_AUTOENCODER,
        grid_voxels=BUNDLE_GRID_VOXELS,
        resampled_mm=1.1,
        input_sizes=tuple(InputSize),
        patch_voxels=(112, 112, 80),
        batch_size=4,
        n_steps=100_000,
        start=Start.RANDOM,
        trained=TrainedPart.ALL,
        learning_rate=2e-5,
        rate_schedule=RateSchedule.CONSTANT,
        gradient_clip_norm=None,
        kl_weight=1e-7,
        latent_noise=0.0,
        perceptual_weight=0.1,
        adversarial=AdversarialConfig(weight=0.1, start_step=5000, learning_rate=2e-5, n_updates=5),
        recompute_activations=True,
        report_every_steps=100,
        evaluate_every_steps=5000,
        checkpoint_every_steps=500,
    )


AUTOENCODER_RECIPES: dict[AutoencoderRecipe, Callable[[], AutoencoderTrainingConfig]] = {
    AutoencoderRecipe.DEMO: demo,
    AutoencoderRecipe.FULL: full,
}
