"""The encoder as Ray sees it; light to import: torch is imported by the actor's own process."""

from typing import TYPE_CHECKING

from orchestration.preparation.encoder_config import EncoderConfig

if TYPE_CHECKING:
    from ldm.data.latents.gridding import GriddedScan


class EncoderActor:
    """The GPU stage of preparation."""

    def __init__(self, config: EncoderConfig) -> None:
        from orchestration.preparation.encoding import Encoder

        self._encoder = Encoder(config.here())

    def keep(self, gridded: "list[GriddedScan] | str") -> str | None:
        """See ``Encoder.keep``."""
        return self._encoder.keep(gridded)
