"""The encoder as Ray sees it; light to import: torch is imported by the actor's own process."""

from pathlib import Path
from typing import TYPE_CHECKING

from ldm.config import AutoencoderConfig, InputSize
from orchestration.storage.sharing import SharedFolder, fetched

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
        sharing: SharedFolder,
    ) -> None:
        from orchestration.preparation.encoding import Encoder

        here = {size: sharing.here(target) for size, target in targets.items()}
        weights = fetched(weights, sharing)
        self._encoder = Encoder(config, weights, here, device, n_threads, sharing)

    def keep(self, gridded: "list[GriddedScan] | str") -> str | None:
        """See ``Encoder.keep``."""
        return self._encoder.keep(gridded)
