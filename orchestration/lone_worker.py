"""A Ray Train worker that shares its batch with nobody, and so waits for nobody.

Workers that do meet at a port of torch.distributed: it listens on every address of the machine, and
asks for no token. Ray opens one for a single worker too.
"""

from typing import Any

from ray.train.backend import Backend
from ray.train.torch import TorchConfig


class LoneWorker(TorchConfig):  # type: ignore[misc]  # Ray has no types
    """For a ``TorchTrainer`` of one worker: torch.distributed is not initialized."""

    @property
    def backend_cls(self) -> Any:
        """Nothing to start and nothing to end."""
        return Backend
