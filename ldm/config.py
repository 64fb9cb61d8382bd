"""The configuration of one trial: what is trained, on what, for how long. Standard library only.

Every dataclass checks its values where it is made. ``ldm.files.dataclass_json`` writes and reads
them, ``ldm.fingerprints`` names them by content.
"""

from dataclasses import dataclass
from enum import StrEnum

from ldm.errors import require


class Crop(StrEnum):
    """Where a scan is cut (DESIGN section 3)."""

    FULL_BODY = "full-body"
    SEMI_BODY = "semi-body"
    PANCREAS = "pancreas"


class InputSize(StrEnum):
    """How a crop is sized onto the model's grid (``ldm.data.geometry.field_of_view``).

    Resized to the scan's own voxels or to 240 x 240 x 155 of 1 mm, of which the model sees the
    center; or ``fit``, which shows it the whole crop.
    """

    SCAN = "512x512xZ"
    ISOTROPIC = "240x240x155"
    FIT = "fit"


class Objective(StrEnum):
    """What the denoiser predicts; the equations are in ``ldm.diffusion.objective``."""

    EPSILON = "epsilon"
    V = "v"
    RECTIFIED_FLOW = "rectified_flow"


class SamplingMethod(StrEnum):
    """How noise becomes a sample; ``auto`` is the objective's own method.

    See ``ldm.diffusion.sample``.
    """

    AUTO = "auto"
    EULER = "euler"
    DDIM = "ddim"
    DDPM = "ddpm"


# The first is what ``auto`` stands for.
FITTING_METHODS = {
    Objective.EPSILON: (SamplingMethod.DDIM, SamplingMethod.DDPM),
    Objective.V: (SamplingMethod.DDIM, SamplingMethod.DDPM),
    Objective.RECTIFIED_FLOW: (SamplingMethod.EULER,),
}
N_NOISE_STEPS = 1000  # that epsilon and v are trained on


class Whitening(StrEnum):
    """How latents are brought to unit variance.

    The equations are in ``ldm.data.latents.whitening``.
    """

    SCALAR = "scalar"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The box of a scan that is modeled, and the voxel grid it is put on.

    ``resampled_mm`` is the voxel spacing that a sized crop is resampled to before its center is
    kept: 1.1 mm in the MONAI bundle, in a recipe of a smaller grid as much larger.
    """

    crop: Crop
    input_size: InputSize = InputSize.FIT
    grid_voxels: tuple[int, int, int]
    margin_mm: float = 0.0
    resampled_mm: float = 1.1

    def __post_init__(self) -> None:
        require(
            all(n >= 16 and n % 16 == 0 for n in self.grid_voxels),
            "grid_voxels must be multiples of 16, so that two downsamplings divide the latent",
            self.grid_voxels,
        )
        require(self.margin_mm >= 0, "margin_mm must not be negative", self.margin_mm)
        require(self.resampled_mm > 0, "resampled_mm must be positive", self.resampled_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """MONAI's AutoencoderKL: one downsampling by two between neighboring entries of channels."""

    latent_channels: int
    channels: tuple[int, ...]
    n_res_blocks: int
    norm_groups: int
    transposed_upsampling: bool = False

    @property
    def downsampling(self) -> int:
        """Voxels along an axis for each latent element."""
        return int(2 ** (len(self.channels) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserConfig:
    """MONAI's DiffusionModelUNet; one entry of each tuple a level."""

    channels: tuple[int, ...]
    attention_levels: tuple[bool, ...]
    head_channels: tuple[int, ...]
    n_res_blocks: int
    norm_groups: int

    def __post_init__(self) -> None:
        lengths = {len(self.channels), len(self.attention_levels), len(self.head_channels)}
        require(len(lengths) == 1, "a denoiser needs one entry a level in each tuple", lengths)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """Learning rate: linear warm-up, then times gamma at each milestone (MultiStepLR)."""

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
    """How the denoiser is trained."""

    objective: Objective
    whitening: Whitening
    epochs: int
    batch_size: int
    schedule: ScheduleConfig
    gradient_clip_norm: float | None = None
    ema_half_life_samples: float
    checkpoint_every_epochs: int
    evaluate_every_epochs: int
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "checkpoint_every_epochs", "evaluate_every_epochs"):
            require(getattr(self, name) >= 1, f"{name} must be 1 or more", getattr(self, name))
        require(
            self.ema_half_life_samples > 0,
            "ema_half_life_samples must be positive",
            self.ema_half_life_samples,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """How samples are drawn for an evaluation; the same seed gives every trial the same noise."""

    n_samples: int
    n_steps: int
    method: SamplingMethod = SamplingMethod.AUTO
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.n_samples >= 1, "n_samples must be 1 or more", self.n_samples)
        require(1 <= self.n_steps <= 1000, "n_steps must be in 1..1000", self.n_steps)
        require(
            self.method is not SamplingMethod.DDPM or self.n_steps == N_NOISE_STEPS,
            f"ddpm takes every step of the training, n_steps must be {N_NOISE_STEPS}",
            self.n_steps,
        )

    def method_for(self, objective: Objective) -> SamplingMethod:
        """What ``method`` means for an objective, never ``auto``; InputError if it does not fit."""
        fitting = FITTING_METHODS[objective]
        method = fitting[0] if self.method is SamplingMethod.AUTO else self.method
        require(
            method in fitting,
            f"objective {objective} is sampled by {' or '.join(fitting)}: choose that, or auto",
            method,
        )
        return method


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """Everything that decides a trial's result, given the latents it trains on."""

    recipe: str
    image: ImageConfig
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    training: TrainingConfig
    sampling: SamplingConfig

    def __post_init__(self) -> None:
        self.sampling.method_for(self.training.objective)  # raises where they do not fit

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """Channels, then latent elements along x, y, z."""
        x, y, z = (n // self.autoencoder.downsampling for n in self.image.grid_voxels)
        return self.autoencoder.latent_channels, x, y, z
