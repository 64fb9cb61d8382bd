"""The configuration of a trial: the data, the networks, the training and the sampling.

Every dataclass checks its values when it is created and raises ``InputError`` if one is out of
range. ``ldm.files.dataclass_json`` stores configurations as JSON, and ``ldm.fingerprints`` gives
each one a short name. This module imports only the standard library, so that commands start fast.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from ldm.errors import require
from ldm.later_fields import ADDED_LATER, restore_fields
from ldm.network_config import AutoencoderConfig, DenoiserConfig


class Crop(StrEnum):
    """The part of a scan that is modeled.

    ``full-body`` is the whole scan, ``semi-body`` is the largest cube inside the trunk, and
    ``pancreas`` is the bounding box of the pancreas mask plus a margin.
    """

    FULL_BODY = "full-body"
    SEMI_BODY = "semi-body"
    PANCREAS = "pancreas"


class InputSize(StrEnum):
    """How much of a crop the model sees (see ``ldm.data.geometry.field_of_view``).

    The study resized each crop to ``512x512xZ`` (the scan's own number of voxels) or to
    ``240x240x155`` voxels of 1 mm. The model then saw only the center of the result. ``fit`` shows
    the model the whole crop.
    """

    SCAN = "512x512xZ"
    ISOTROPIC = "240x240x155"
    FIT = "fit"


class Objective(StrEnum):
    """The quantity that the denoiser predicts (equations: ``ldm.diffusion.objective``)."""

    EPSILON = "epsilon"
    V = "v"
    RECTIFIED_FLOW = "rectified_flow"


class SamplingMethod(StrEnum):
    """The algorithm that turns noise into a sample (see ``ldm.diffusion.sample``).

    ``auto`` selects the default method of the objective.
    """

    AUTO = "auto"
    EULER = "euler"
    DDIM = "ddim"
    DDPM = "ddpm"


# The first method is the default of the objective.
FITTING_METHODS = {
    Objective.EPSILON: (SamplingMethod.DDIM, SamplingMethod.DDPM),
    Objective.V: (SamplingMethod.DDIM, SamplingMethod.DDPM),
    Objective.RECTIFIED_FLOW: (SamplingMethod.EULER,),
}
N_NOISE_STEPS = 1000  # noise levels in the training of epsilon and v


class Whitening(StrEnum):
    """How latents are scaled to unit variance (equations: ``ldm.data.latents.whitening``).

    ``scalar`` divides all channels by one standard deviation. ``channel`` also subtracts the mean,
    and uses the mean and standard deviation of each channel.
    """

    SCALAR = "scalar"
    CHANNEL = "channel"


class Precision(StrEnum):
    """The number format in which the denoiser computes. Its weights are always float32.

    ``auto`` is bfloat16 where the hardware computes it natively, and float32 elsewhere.
    """

    AUTO = "auto"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The part of a scan that is modeled, and the voxel grid that it is resampled to.

    Attributes
    ----------
    crop
        The part of the scan that is cut out.
    input_size
        How much of the crop the model sees.
    grid_voxels
        Voxels along x, y and z; multiples of 16.
    margin_mm
        Margin around the pancreas mask. Used by the crop ``pancreas`` only.
    resampled_mm
        Voxel spacing after resizing, for input sizes other than ``fit``. The MONAI bundle uses 1.1
        mm. Recipes with a smaller grid use a proportionally larger spacing.
    """

    crop: Crop
    input_size: InputSize = InputSize.FIT
    grid_voxels: tuple[int, int, int]
    margin_mm: float = 0.0
    resampled_mm: float = 1.1

    def __post_init__(self) -> None:
        require(
            all(n >= 16 and n % 16 == 0 for n in self.grid_voxels),
            "grid_voxels must be multiples of 16, because the autoencoder and the denoiser halve "
            "the resolution twice each",
            self.grid_voxels,
        )
        require(self.margin_mm >= 0, "margin_mm must not be negative", self.margin_mm)
        require(self.resampled_mm > 0, "resampled_mm must be positive", self.resampled_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """The learning rate schedule: a linear warm-up, then a drop at each milestone.

    Attributes
    ----------
    learning_rate
        The rate after the warm-up and before the first milestone.
    milestones_epochs
        Epochs after which the rate is multiplied by ``gamma``, as in PyTorch's MultiStepLR.
    gamma
        The factor at each milestone, in (0, 1].
    warmup_steps
        Optimizer steps of the linear warm-up; 0 for none.
    """

    learning_rate: float
    milestones_epochs: tuple[int, ...]
    gamma: float
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        require(0 < self.learning_rate < 1, "learning_rate must be in (0, 1)", self.learning_rate)
        require(0 < self.gamma <= 1, "gamma must be in (0, 1]", self.gamma)
        ordered = list(self.milestones_epochs) == sorted(set(self.milestones_epochs))
        require(
            ordered and all(m >= 1 for m in self.milestones_epochs),
            "milestones_epochs must increase from 1 or more",
            self.milestones_epochs,
        )
        require(self.warmup_steps >= 0, "warmup_steps must not be negative", self.warmup_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How the denoiser is trained.

    Attributes
    ----------
    objective
        What the denoiser predicts.
    whitening
        How latents are scaled before training.
    epochs
        Passes over the training scans.
    batch_size
        Scans per optimizer step.
    schedule
        The learning rate schedule.
    gradient_clip_norm
        Largest gradient norm; larger gradients are scaled down to it. None for no limit.
    ema_half_life_samples
        Half-life of the moving average of the weights, in training samples seen. None for no
        average: samples are drawn from the weights themselves.
    checkpoint_every_epochs
        Epochs between checkpoints.
    evaluate_every_epochs
        Epochs between evaluations of generated samples.
    seed
        Seed of the initial weights and of all random numbers of the training.
    precision
        Number format of the training.
    """

    objective: Objective
    whitening: Whitening
    epochs: int
    batch_size: int
    schedule: ScheduleConfig
    gradient_clip_norm: float | None = None
    ema_half_life_samples: float | None
    checkpoint_every_epochs: int
    evaluate_every_epochs: int
    seed: int = 0
    precision: Precision = field(default=Precision.AUTO, metadata=ADDED_LATER)

    __setstate__ = restore_fields

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "checkpoint_every_epochs", "evaluate_every_epochs"):
            require(getattr(self, name) >= 1, f"{name} must be 1 or more", getattr(self, name))
        require(
            self.ema_half_life_samples is None or self.ema_half_life_samples > 0,
            "ema_half_life_samples must be positive, or None",
            self.ema_half_life_samples,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """How samples are drawn for an evaluation.

    Attributes
    ----------
    n_samples
        Number of samples.
    n_steps
        Denoising steps per sample, 1 to 1000.
    method
        The sampling algorithm.
    seed
        Seed of the noise. Trials with the same seed start from the same noise.
    precision
        Number format of the sampling.
    undoes_whitening
        Whether the whitening of the latents is undone before they are decoded. The bundle's sampler
        does not undo its scale.
    """

    n_samples: int
    n_steps: int
    method: SamplingMethod = SamplingMethod.AUTO
    seed: int = 0
    precision: Precision = field(default=Precision.AUTO, metadata=ADDED_LATER)
    undoes_whitening: bool = field(default=True, metadata=ADDED_LATER)

    __setstate__ = restore_fields

    def __post_init__(self) -> None:
        require(self.n_samples >= 1, "n_samples must be 1 or more", self.n_samples)
        require(1 <= self.n_steps <= 1000, "n_steps must be in 1..1000", self.n_steps)
        require(
            self.method is not SamplingMethod.DDPM or self.n_steps == N_NOISE_STEPS,
            f"ddpm uses every noise level of the training, so n_steps must be {N_NOISE_STEPS}",
            self.n_steps,
        )

    def method_for(self, objective: Objective) -> SamplingMethod:
        """Return the sampling method for an objective, with ``auto`` resolved.

        Raises ``InputError`` if the configured method cannot sample this objective.
        """
        fitting = FITTING_METHODS[objective]
        method = fitting[0] if self.method is SamplingMethod.AUTO else self.method
        require(
            method in fitting,
            f"objective {objective} must be sampled by {' or '.join(fitting)} (or auto)",
            method,
        )
        return method


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """Everything that determines the result of a trial, apart from its latents."""

    recipe: str
    image: ImageConfig
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    training: TrainingConfig
    sampling: SamplingConfig

    def __post_init__(self) -> None:
        self.sampling.method_for(self.training.objective)  # raises if the method does not fit
        require(
            self.sampling.undoes_whitening or self.training.whitening is Whitening.SCALAR,
            "only scalar whitening may be left in samples (undoes_whitening)",
            self.training.whitening,
        )

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """Shape of a latent: channels, then elements along x, y and z."""
        x, y, z = (n // self.autoencoder.downsampling for n in self.image.grid_voxels)
        return self.autoencoder.latent_channels, x, y, z
