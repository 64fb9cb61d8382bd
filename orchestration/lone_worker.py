"""A single Ray Train worker that opens no port.

Ray Train starts torch.distributed even for a single worker. Its port listens on all addresses of
the machine and asks for no token.
"""

from typing import Any

from ray.train.backend import Backend
from ray.train.torch import TorchConfig


class LoneWorker(TorchConfig):  # type: ignore[misc]  # Ray has no types
    """Configuration of a ``TorchTrainer`` with one worker that starts no torch.distributed."""

    @property
    def backend_cls(self) -> Any:
        """Return a backend that does nothing."""
        return Backend
