"""Recipes: named, complete configurations of a trial.

To vary a recipe, replace its fields with ``dataclasses.replace``. The study that the recipes refer
to is O. Drenth's bachelor thesis (Leiden University, 2024).
"""

from collections.abc import Callable
from pathlib import Path

from ldm.config import (
    Crop,
    ImageConfig,
    InputSize,
    Objective,
    Precision,
    SamplingConfig,
    ScheduleConfig,
    TrainingConfig,
    TrialConfig,
    Whitening,
)
from ldm.network_config import AutoencoderConfig, DenoiserConfig

# From train_autoencoder.json and train_diffusion.json of the MONAI bundle
# brats_mri_generative_diffusion.
BUNDLE_AUTOENCODER = AutoencoderConfig(
    latent_channels=8, channels=(64, 128, 256), n_res_blocks=2, norm_groups=32
)
BUNDLE_DENOISER = DenoiserConfig(
    channels=(256, 256, 512),
    attention_levels=(False, True, True),
    head_channels=(0, 64, 64),
    n_res_blocks=2,
    norm_groups=32,
)
BUNDLE_GRID_VOXELS = (144, 176, 112)
# Epochs of the study's first pancreas model. A recipe with fewer epochs scales all epoch counts of
# the study's models by the same factor.
STUDY_EPOCHS = 1600
THESIS = "thesis"  # the recipe that trains in the study's way
STUDY_CHECKPOINT_EPOCHS = 200

PHANTOM_AUTOENCODER = Path(__file__).parent / "weights" / "phantom_autoencoder.safetensors"
DEMO_AUTOENCODER = AutoencoderConfig(
    latent_channels=4,
    channels=(16, 32, 64),
    n_res_blocks=1,
    norm_groups=4,
    transposed_upsampling=True,
)


def demo(crop: Crop) -> TrialConfig:
    """Return a recipe for phantoms that trains in a minute or two on two CPU cores.

    It uses our choices of method, at a third of the study's resolution.
    """
    return TrialConfig(
        recipe="demo",
        # A third of the bundle's voxels along each axis, each three times as long.
        image=ImageConfig(crop=crop, grid_voxels=(48, 48, 32), resampled_mm=3.3),
        autoencoder=DEMO_AUTOENCODER,
        denoiser=DenoiserConfig(
            channels=(16, 32, 64),
            attention_levels=(False, False, True),
            head_channels=(0, 0, 32),
            n_res_blocks=1,
            norm_groups=8,
        ),
        training=TrainingConfig(
            objective=Objective.RECTIFIED_FLOW,
            whitening=Whitening.CHANNEL,
            epochs=32,
            batch_size=2,  # small batches: more steps, and better samples, in the same time
            schedule=ScheduleConfig(
                learning_rate=1e-3, milestones_epochs=(20, 28), gamma=0.3, warmup_steps=10
            ),
            gradient_clip_norm=1.0,
            ema_half_life_samples=80,
            checkpoint_every_epochs=4,
            evaluate_every_epochs=32,
        ),
        sampling=SamplingConfig(n_samples=6, n_steps=30),
    )


def full(crop: Crop) -> TrialConfig:
    """Return a recipe with our choices of method at the study's resolution.

    The study's own training took about a week on one 48 GB GPU. ``benchmarks/training.py`` measures
    the time per step on your hardware.
    """
    return TrialConfig(
        recipe="full",
        image=ImageConfig(crop=crop, grid_voxels=BUNDLE_GRID_VOXELS),
        autoencoder=BUNDLE_AUTOENCODER,
        denoiser=BUNDLE_DENOISER,
        training=TrainingConfig(
            objective=Objective.RECTIFIED_FLOW,
            whitening=Whitening.CHANNEL,
            epochs=STUDY_EPOCHS,
            batch_size=4,
            schedule=ScheduleConfig(
                learning_rate=1e-4, milestones_epochs=(1100, 1450), gamma=0.3, warmup_steps=500
            ),
            gradient_clip_norm=1.0,
            ema_half_life_samples=10_000,
            checkpoint_every_epochs=STUDY_CHECKPOINT_EPOCHS,
            evaluate_every_epochs=STUDY_CHECKPOINT_EPOCHS,
        ),
        sampling=SamplingConfig(n_samples=16, n_steps=30),
    )


def thesis(crop: Crop) -> TrialConfig:
    """Return the study's recipe, which is that of the MONAI bundle (sections 3.2 and 3.3).

    The networks, the noise schedule, the objective, Adam, the learning schedule, the batch size and
    the sampling are the study's. There is no warm-up, no limit of the gradient and no average of
    the weights, the denoiser computes in float32, and samples are decoded without undoing the scale
    of the latents, as by the bundle's sampler. ``ldm.study_differences`` lists what is done
    in another way, with the reasons. Training takes about a week on one 48 GB GPU.
    """
    input_size = InputSize.ISOTROPIC if crop is Crop.SEMI_BODY else InputSize.SCAN
    return TrialConfig(
        recipe=THESIS,
        image=ImageConfig(crop=crop, input_size=input_size, grid_voxels=BUNDLE_GRID_VOXELS),
        autoencoder=BUNDLE_AUTOENCODER,
        denoiser=BUNDLE_DENOISER,
        training=TrainingConfig(
            objective=Objective.EPSILON,
            whitening=Whitening.SCALAR,
            epochs=STUDY_EPOCHS,
            batch_size=4,
            schedule=ScheduleConfig(learning_rate=1e-5, milestones_epochs=(100, 1000), gamma=0.1),
            ema_half_life_samples=None,
            checkpoint_every_epochs=STUDY_CHECKPOINT_EPOCHS,
            evaluate_every_epochs=STUDY_CHECKPOINT_EPOCHS,
            precision=Precision.FLOAT32,
        ),
        sampling=SamplingConfig(
            n_samples=16, n_steps=50, precision=Precision.FLOAT32, undoes_whitening=False
        ),
    )


RECIPES: dict[str, Callable[[Crop], TrialConfig]] = {"demo": demo, "full": full, THESIS: thesis}
