"""The encoder as Ray sees it; light to import: torch is imported by the actor's own process."""

from pathlib import Path
from typing import TYPE_CHECKING

from ldm.config import AutoencoderConfig, InputSize

if TYPE_CHECKING:
    from ldm.data.gridding import GriddedScan


class EncoderActor:
    """The GPU stage of preparation."""

    def __init__(
        self,
        config: AutoencoderConfig,
        weights: Path,
        targets: dict[InputSize, Path],
        device: str,
        n_threads: int,
    ) -> None:
        from orchestration.encoding import Encoder

        self._encoder = Encoder(config, weights, targets, device, n_threads)

    def keep(self, gridded: "list[GriddedScan] | str") -> str | None:
        """See ``Encoder.keep``."""
        return self._encoder.keep(gridded)
