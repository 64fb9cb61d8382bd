"""What a bundle is made of: a trained model, its autoencoder, and what is known of both."""

from dataclasses import dataclass
from pathlib import Path

from ldm.config import TrialConfig
from ldm.data.geometry.volume import Affine
from ldm.diffusion.checkpoint import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredScore:
    """A value over ``n`` volumes with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSource:
    """A trained model and what is known of it.

    Parameters
    ----------
    sampler
        The model: its configuration, epoch, averaged weights and whitening.
    denoiser, autoencoder
        The files of both networks' weights.
    affine
        Of a sample: voxel indices to mm in RAS+.
    scores
        By name; empty if the model was never evaluated.
    n_copies
        How many of the evaluated samples copy a training scan; 0 unless the evaluation found that
        the model copies.
    is_phantom_data
        Whether it was trained on phantoms; None if that is not known.
    is_phantom_autoencoder
        Whether the autoencoder was trained on phantoms.
    """

    sampler: Sampler
    denoiser: Path
    autoencoder: Path
    affine: Affine
    scores: dict[str, MeasuredScore]
    n_copies: int
    is_phantom_data: bool | None
    is_phantom_autoencoder: bool

    @property
    def config(self) -> TrialConfig:
        """The configuration of the trial."""
        return self.sampler.config

    @property
    def phantom_notice(self) -> str | None:
        """The first line of all that is written about a model that knows phantoms."""
        parts = [
            *(["generated phantoms instead of scans"] if self.is_phantom_data else []),
            *(["an autoencoder trained on phantoms"] if self.is_phantom_autoencoder else []),
        ]
        if not parts:
            return None
        return f"PHANTOM ONLY: {', '.join(parts)}. Nothing here says anything about patients."

    @property
    def copy_notice(self) -> str | None:
        """What must be known before a model that copies patients is handed on."""
        if not self.n_copies:
            return None
        return (
            f"COPIES TRAINING SCANS: {self.n_copies} of its evaluated samples lie as near to one "
            "as no two patients do. Do not share it, or what it makes, as synthetic."
        )
