"""Forecast how much disk space a sweep will need."""

import math
from dataclasses import dataclass

from ldm.config import TrialConfig
from ldm.diffusion.denoiser import count_parameters
from orchestration.trials.trial import N_CHECKPOINTS_KEPT

SINGLE_BYTES, HALF_BYTES, HU_BYTES = 4, 2, 2
COPIES_IN_CHECKPOINT = 4  # weights, their average, both moments of Adam


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskForecast:
    """What a sweep writes into its storage folder, in GiB.

    Samples are counted as uncompressed NIfTI, so their true size is smaller.
    """

    checkpoints_gib: float
    samples_gib: float
    latents_gib: float

    @property
    def total_gib(self) -> float:
        """Return the sum of all parts."""
        return self.checkpoints_gib + self.samples_gib + self.latents_gib


def forecast_disk(
    config: TrialConfig, *, n_trials: int, n_scans: int, n_input_sizes: int
) -> DiskForecast:
    """Return the disk space that a sweep needs.

    This is the space for ``n_trials`` trials of a configuration, and for the latents of ``n_scans``
    scans in each of ``n_input_sizes`` input sizes.
    """
    training = config.training
    n_evaluations = math.ceil(training.epochs / training.evaluate_every_epochs)
    weights = count_parameters(config.denoiser, config.latent_shape[0]) * SINGLE_BYTES
    voxels = math.prod(config.image.grid_voxels)
    checkpoints = weights * (COPIES_IN_CHECKPOINT * N_CHECKPOINTS_KEPT + n_evaluations)
    samples = voxels * HU_BYTES * config.sampling.n_samples * n_evaluations
    latents = voxels * HU_BYTES + 2 * math.prod(config.latent_shape) * HALF_BYTES
    return DiskForecast(
        checkpoints_gib=n_trials * checkpoints / 2**30,
        samples_gib=n_trials * samples / 2**30,
        latents_gib=n_scans * n_input_sizes * latents / 2**30,
    )
