"""The contents of a bundle: a trained model, its autoencoder, and what is known about both."""

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
    """A trained model and what is known about it.

    Parameters
    ----------
    sampler
        The model: its configuration, epoch, averaged weights and whitening.
    denoiser, autoencoder
        The files of both networks' weights.
    affine
        Maps voxel indices of a sample to mm in RAS+.
    scores
        The scores by name. Empty if the model was never evaluated.
    n_copies
        How many of the evaluated samples copy a training scan; 0 unless the evaluation found that
        the model copies.
    is_phantom_data
        Whether the model was trained on phantoms, or None if that is unknown.
    is_phantom_autoencoder
        Whether the autoencoder is the one that this package includes, which was trained on
        phantoms. False for all others, because nothing is known about their training.
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
        """The notice that begins every text about a model of phantoms, or None for other models."""
        parts = [
            *(["generated phantoms instead of scans"] if self.is_phantom_data else []),
            *(["an autoencoder trained on phantoms"] if self.is_phantom_autoencoder else []),
        ]
        if not parts:
            return None
        return f"PHANTOM ONLY: {', '.join(parts)}. The results say nothing about patients."

    @property
    def copy_notice(self) -> str | None:
        """The warning for a model that copies training scans, or None if it does not."""
        if not self.n_copies:
            return None
        return (
            f"COPIES TRAINING SCANS: {self.n_copies} of its evaluated samples are closer to a "
            "training scan than any two patients are to each other. Do not share the model or its "
            "samples as synthetic data."
        )
