"""The settings of an encoder. The driver imports this module, so it must not import torch."""

from dataclasses import dataclass, replace
from pathlib import Path

from ldm.config import InputSize
from ldm.network_config import AutoencoderConfig
from orchestration.storage.sharing import Sharing, fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The settings of an encoder.

    Attributes
    ----------
    autoencoder
        Architecture of the autoencoder.
    weights
        File of its weights.
    targets
        Folder of the latent store of each input size.
    device
        Device of the autoencoder, such as ``cuda``.
    n_threads
        CPU threads of torch.
    sharing
        How nodes share the files of the storage.
    """

    autoencoder: AutoencoderConfig
    weights: Path
    targets: dict[InputSize, Path]
    device: str
    n_threads: int
    sharing: Sharing

    def here(self) -> "EncoderConfig":
        """Return these settings with the paths of this node. Fetches the weights."""
        sharing = self.sharing
        targets = {size: sharing.here(target) for size, target in self.targets.items()}
        return replace(self, weights=fetched(self.weights, sharing), targets=targets)
