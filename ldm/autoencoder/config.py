"""The configuration of the training of an autoencoder. Standard library only."""

from dataclasses import dataclass
from enum import StrEnum

from ldm.config import Crop, ImageConfig, InputSize
from ldm.errors import require
from ldm.network_config import AutoencoderConfig


class Start(StrEnum):
    """The initial weights of an autoencoder.

    ``components`` makes the network a principal component analysis (see ``ldm.autoencoder.start``).
    """

    RANDOM = "random"
    COMPONENTS = "components"


class TrainedPart(StrEnum):
    """The part of an autoencoder that is trained.

    ``decoder`` trains the decoder's blocks between its first convolution and its last
    normalization. The encoder keeps its initial weights. So do the first and the last layers of the
    decoder, which carry the mean brightness of a scan through the network.
    """

    ALL = "all"
    DECODER = "decoder"


class RateSchedule(StrEnum):
    """The learning rate schedule (see ``ldm.autoencoder.losses``)."""

    CONSTANT = "constant"
    ONE_CYCLE = "one_cycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialConfig:
    """The adversarial part of the loss: the patch discriminator and its training.

    Attributes
    ----------
    weight
        Weight of the adversarial loss in the autoencoder's loss.
    start_step
        First step with a discriminator.
    learning_rate
        Constant learning rate of the discriminator.
    n_updates
        Updates of the discriminator per update of the autoencoder.
    channels
        Channels of the discriminator's first layer.
    n_layers
        Layers of the discriminator.
    """

    weight: float
    start_step: int
    learning_rate: float
    n_updates: int = 1
    channels: int = 32
    n_layers: int = 3

    def __post_init__(self) -> None:
        _require_positive(self, "weight", "n_updates", "channels", "n_layers")
        require(self.start_step >= 0, "start_step must not be negative", self.start_step)
        require(0 < self.learning_rate < 1, "learning_rate must be in (0, 1)", self.learning_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderTrainingConfig:
    """Everything that determines the weights of an autoencoder, apart from the scans.

    The loss is L1 + ``kl_weight`` * KL + ``perceptual_weight`` * perceptual + adversarial. The
    perceptual part is left out if no network for it is given.

    Attributes
    ----------
    recipe
        Name of the recipe.
    autoencoder
        The network.
    grid_voxels
        Voxels of each resampled scan along x, y and z.
    resampled_mm
        Voxel spacing of resized crops (see ``ldm.config.ImageConfig``).
    input_sizes
        Input sizes to train on; each scan is resampled for each of them.
    crops
        Crops to train on.
    crop_shares
        Relative frequency of each crop among the patches, in the order of ``Crop``.
    patch_voxels
        Voxels of a training patch along x, y and z.
    batch_size
        Patches per step.
    n_steps
        Steps of the whole training.
    start
        The initial weights.
    trained
        The part of the network that is trained.
    learning_rate
        The constant rate, or the peak of the one-cycle schedule.
    rate_schedule
        The learning rate schedule.
    gradient_clip_norm
        Largest gradient norm; larger gradients are scaled down to it. None for no limit.
    kl_weight
        Weight of the KL divergence.
    latent_noise
        Largest standard deviation of the noise added to latents before decoding, which makes the
        decoder robust to the errors of a diffusion model (Zheng 2025, arXiv 2510.11690).
    perceptual_weight
        Weight of the perceptual loss.
    perceptual_network
        Digest of the weights file of the perceptual network; None without one.
    adversarial
        The adversarial part of the loss; None without one.
    recompute_activations
        Whether to recompute activations in the backward pass, which saves memory.
    report_every_steps
        Steps between reports.
    evaluate_every_steps
        Steps between evaluations on held-out scans; a multiple of ``report_every_steps``.
    checkpoint_every_steps
        Steps between checkpoints; a multiple of ``report_every_steps``.
    seed
        Seed of the initial weights and of all random numbers of the training.
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
    trained: TrainedPart
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
            # The last convolution of the discriminator has no output for smaller patches.
            least = 3 * 2**self.adversarial.n_layers
            require(
                min(self.patch_voxels) >= least,
                f"patch_voxels must be {least} or more for a discriminator with "
                f"{self.adversarial.n_layers} layers",
                self.patch_voxels,
            )

    def _check_crops(self) -> None:
        for name, kinds in (("crops", self.crops), ("input_sizes", self.input_sizes)):
            is_set = len(kinds) == len(set(kinds)) >= 1
            require(is_set, f"{name} must have at least one entry and no duplicates", kinds)
        require(
            all(self.share(crop) > 0 for crop in self.crops),
            "crop_shares must be positive for each crop in crops",
            self.crop_shares,
        )

    def share(self, crop: Crop) -> float:
        """Return the relative frequency of a crop among the patches.

        The shares of the crops in use need not sum to 1.
        """
        return self.crop_shares[list(Crop).index(crop)]

    def images(self, crop: Crop) -> tuple[ImageConfig, ...]:
        """Return the image configuration of a crop for each input size."""
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
