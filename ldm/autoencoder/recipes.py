"""Named complete configurations of an autoencoder's training. Standard library only."""

from collections.abc import Callable
from enum import StrEnum

from ldm.autoencoder.config import (
    AdversarialConfig,
    AutoencoderTrainingConfig,
    RateSchedule,
    Start,
    Trained,
)
from ldm.config import InputSize
from ldm.recipes import BUNDLE_AUTOENCODER, BUNDLE_GRID_VOXELS, DEMO_AUTOENCODER


class AutoencoderRecipe(StrEnum):
    """The named configurations."""

    DEMO = "demo"
    FULL = "full"


def demo() -> AutoencoderTrainingConfig:
    """The shipped weights, from phantoms: principal components, then the decoder learns to undo
    them on noisy latents. Half an hour of one core."""
    return AutoencoderTrainingConfig(
        recipe="demo",
        autoencoder=DEMO_AUTOENCODER,
        grid_voxels=(48, 48, 32),
        resampled_mm=3.3,
        input_sizes=(InputSize.FIT,),
        crop_shares=(0.35, 0.45, 0.2),  # the coarser a crop, the harder
        patch_voxels=(24, 24, 16),
        batch_size=8,
        n_steps=3000,
        start=Start.COMPONENTS,
        trained=Trained.DECODER,
        learning_rate=3e-4,
        rate_schedule=RateSchedule.ONE_CYCLE,
        gradient_clip_norm=1.0,
        kl_weight=0.0,  # the encoder stays
        latent_noise=0.15,
        perceptual_weight=0.0,
        adversarial=None,
        recompute_activations=False,
        report_every_steps=50,
        evaluate_every_steps=1500,
        checkpoint_every_steps=250,
    )


def full() -> AutoencoderTrainingConfig:
    """The MONAI bundle's numbers (``train_autoencoder.json`` and ``scripts/losses.py`` of
    brats_mri_generative_diffusion) from random weights: days of one GPU.

    Ours: steps instead of 8000 epochs, eight latent channels, the discriminator joins after a
    warm-up, one HU window, every input size.
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
        trained=Trained.ALL,
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
