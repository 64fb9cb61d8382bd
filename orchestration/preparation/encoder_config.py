"""What an encoder is told; light to import, for the driver that starts it."""

from dataclasses import dataclass, replace
from pathlib import Path

from ldm.config import AutoencoderConfig, InputSize
from orchestration.storage.sharing import Sharing, fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """What encodes, and the draft of each input size's store that it fills."""

    autoencoder: AutoencoderConfig
    weights: Path
    targets: dict[InputSize, Path]
    device: str
    n_threads: int
    sharing: Sharing

    def here(self) -> "EncoderConfig":
        """The same with the paths of this node; the weights are fetched."""
        sharing = self.sharing
        targets = {size: sharing.here(target) for size, target in self.targets.items()}
        return replace(self, weights=fetched(self.weights, sharing), targets=targets)
