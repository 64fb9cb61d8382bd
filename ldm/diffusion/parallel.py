"""Several workers on one trial: which scans of a batch are whose, and one gradient for all.

Every worker draws the random numbers of the whole batch and takes its rows of them, so that the
number of workers changes nothing but the order of sums.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of a batch that are computed at once, and what their mean weighs in the gradient."""

    rows: list[int]
    weight: float
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """This worker among those of its trial."""

    rank: int
    n: int

    @property
    def is_lead(self) -> bool:
        """Whether this worker writes checkpoints and has samples judged."""
        return self.rank == 0

    def parts(self, n_scans: int, size: int | None) -> list[Part]:
        """This worker's rows of a batch, at most ``size`` at once.

        Gradients are averaged over the workers: weights sum to their number. A worker without rows
        computes one that weighs nothing, for the others wait for it.
        """
        rows = list(range(self.rank, n_scans, self.n))
        if not rows:
            return [Part(rows=[0], weight=0.0, is_last=True)]
        size = size or len(rows)
        chunks = [rows[first : first + size] for first in range(0, len(rows), size)]
        return [
            Part(rows=chunk, weight=len(chunk) / n_scans * self.n, is_last=chunk is chunks[-1])
            for chunk in chunks
        ]

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are averaged over the workers."""
        return network if self.n == 1 else DistributedDataParallel(network)

    def gather(self, network: nn.Module, part: Part) -> AbstractContextManager[None]:
        """In which a part's gradients are added up; with the last part, over all workers."""
        if part.is_last or not isinstance(network, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[None] = network.no_sync()
        return context

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the workers."""
        if self.n > 1:
            distributed.all_reduce(values)
        return values / self.n


def current_workers() -> Workers:
    """The workers of torch's process group; without one, this process is alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Workers(rank=0, n=1)
    return Workers(rank=distributed.get_rank(), n=distributed.get_world_size())
