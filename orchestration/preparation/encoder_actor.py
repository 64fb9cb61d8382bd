"""The Ray actor of the encoder. Only the actor's own process imports torch."""

from typing import TYPE_CHECKING

from orchestration.preparation.encoder_config import EncoderConfig

if TYPE_CHECKING:
    from ldm.data.latents.gridding import GriddedScan


class EncoderActor:
    """Runs an ``Encoder``, the GPU stage of preparation, in a process of its own."""

    def __init__(self, config: EncoderConfig) -> None:
        from orchestration.preparation.encoding import Encoder

        self._encoder = Encoder(config.here())

    def keep(self, gridded: "list[GriddedScan] | str") -> str | None:
        """Write a scan into the latent stores. See ``Encoder.keep``."""
        return self._encoder.keep(gridded)
