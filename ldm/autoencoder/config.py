"""How an autoencoder is trained: its configuration. Standard library only."""

from dataclasses import dataclass
from enum import StrEnum

from ldm.config import AutoencoderConfig, Crop, ImageConfig, InputSize
from ldm.errors import require


class Start(StrEnum):
    """The first weights: random ones, or principal components (``ldm.autoencoder.start``)."""

    RANDOM = "random"
    COMPONENTS = "components"


class Trained(StrEnum):
    """Which weights move.

    ``decoder``: the blocks between the decoder's first convolution and its last normalization;
    the encoder, and the ends that carry a crop's level through, stay as they were started.
    """

    ALL = "all"
    DECODER = "decoder"


class RateSchedule(StrEnum):
    """The learning rate by step: the equation is in ``ldm.autoencoder.losses``."""

    CONSTANT = "constant"
    ONE_CYCLE = "one_cycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialConfig:
    """The patch discriminator and how it is trained, from ``start_step`` on."""

    weight: float
    start_step: int
    learning_rate: float
    n_updates: int = 1  # of the discriminator for each of the autoencoder
    channels: int = 32
    n_layers: int = 3

    def __post_init__(self) -> None:
        _require_positive(self, "weight", "n_updates", "channels", "n_layers")
        require(self.start_step >= 0, "start_step must not be negative", self.start_step)
        require(0 < self.learning_rate < 1, "learning_rate must be in (0, 1)", self.learning_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderTrainingConfig:
    """Everything that decides the weights, given the scans.

    The loss is L1 + ``kl_weight`` KL + ``perceptual_weight`` perceptual + the adversarial one; the
    perceptual part is left out where no network is given. ``latent_noise`` is the largest standard
    deviation of noise added to latents, so that decoding puts up with a diffusion model's
    (Zheng 2025, arXiv 2510.11690). ``crop_shares`` are of batches, in the order of ``Crop``.
    """

    recipe: str
    autoencoder: AutoencoderConfig
    grid_voxels: tuple[int, int, int]
    resampled_mm: float
    input_sizes: tuple[InputSize, ...]
    crops: tuple[Crop, ...] = tuple(Crop)
    crop_shares: tuple[float, float, float] = (1.0, 1.0, 1.0)
    patch_voxels: tuple[int, int, int]
    batch_size: int
    n_steps: int
    start: Start
    trained: Trained
    learning_rate: float
    rate_schedule: RateSchedule
    gradient_clip_norm: float | None
    kl_weight: float
    latent_noise: float
    perceptual_weight: float
    perceptual_network: str | None = None
    adversarial: AdversarialConfig | None
    recompute_activations: bool
    report_every_steps: int
    evaluate_every_steps: int
    checkpoint_every_steps: int
    seed: int = 0

    def __post_init__(self) -> None:
        _require_positive(self, "batch_size", "n_steps", "report_every_steps", "resampled_mm")
        require(0 < self.learning_rate < 1, "learning_rate must be in (0, 1)", self.learning_rate)
        for name in ("kl_weight", "latent_noise", "perceptual_weight"):
            require(getattr(self, name) >= 0, f"{name} must not be negative", getattr(self, name))
        for name in ("evaluate_every_steps", "checkpoint_every_steps"):
            value = getattr(self, name)
            is_multiple = value >= 1 and value % self.report_every_steps == 0
            require(is_multiple, f"{name} must be a multiple of report_every_steps", value)
        self._check_sizes()
        self._check_crops()

    def _check_sizes(self) -> None:
        factor = self.autoencoder.downsampling
        for part, whole in zip(self.patch_voxels, self.grid_voxels, strict=True):
            require(
                0 < part <= whole and part % factor == 0 and whole % factor == 0,
                f"patch_voxels must be multiples of {factor} inside the grid {self.grid_voxels}",
                self.patch_voxels,
            )
        if self.adversarial is not None:
            least = 3 * 2**self.adversarial.n_layers  # else its last convolution has no room
            require(
                min(self.patch_voxels) >= least,
                f"patch_voxels must be {least} or more for a discriminator of "
                f"{self.adversarial.n_layers} layers",
                self.patch_voxels,
            )

    def _check_crops(self) -> None:
        for name, kinds in (("crops", self.crops), ("input_sizes", self.input_sizes)):
            is_set = len(kinds) == len(set(kinds)) >= 1
            require(is_set, f"{name} must name each one once, and one at least", kinds)
        require(
            all(self.share(crop) > 0 for crop in self.crops),
            "crop_shares must be positive for each of crops",
            self.crop_shares,
        )

    def share(self, crop: Crop) -> float:
        """How often a patch is of a crop, not yet divided by the sum over the crops in use."""
        return self.crop_shares[list(Crop).index(crop)]

    def images(self, crop: Crop) -> tuple[ImageConfig, ...]:
        """The grids that each scan is put on."""
        return tuple(
            ImageConfig(
                crop=crop,
                input_size=size,
                grid_voxels=self.grid_voxels,
                resampled_mm=self.resampled_mm,
            )
            for size in self.input_sizes
        )


def _require_positive(config: object, *names: str) -> None:
    for name in names:
        require(getattr(config, name) > 0, f"{name} must be positive", getattr(config, name))
