"""The encoder as Ray sees it; light to import: torch is imported by the actor's own process."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ldm.config import AutoencoderConfig, InputSize
from orchestration.storage.sharing import Sharing, fetched

if TYPE_CHECKING:
    from ldm.data.latents.gridding import GriddedScan


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
        """With paths of this node, and the weights there."""
        sharing = self.sharing
        targets = {size: sharing.here(target) for size, target in self.targets.items()}
        return replace(self, weights=fetched(self.weights, sharing), targets=targets)


class EncoderActor:
    """The GPU stage of preparation."""

    def __init__(self, config: EncoderConfig) -> None:
        from orchestration.preparation.encoding import Encoder

        self._encoder = Encoder(config.here())

    def keep(self, gridded: "list[GriddedScan] | str") -> str | None:
        """See ``Encoder.keep``."""
        return self._encoder.keep(gridded)
