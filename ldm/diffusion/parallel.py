"""Divide the batches of one trial among several workers, and average their gradients.

Every worker draws the random numbers of the whole batch and uses those of its own scans. The result
therefore does not depend on the number of workers, up to rounding.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Scans of a batch that one worker processes at once.

    Attributes
    ----------
    rows
        Indices of the scans in the batch.
    weight
        Factor of the part's mean loss, so that the accumulated gradients are those of the batch.
    is_last
        Whether this is the worker's last part of the batch.
    """

    rows: list[int]
    weight: float
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """This worker's place among all workers of its trial.

    Attributes
    ----------
    rank
        Index of this worker, from 0.
    n
        Number of workers.
    """

    rank: int
    n: int

    @property
    def is_lead(self) -> bool:
        """True for the worker that writes the checkpoints and has samples evaluated."""
        return self.rank == 0

    def parts(self, n_scans: int, size: int | None) -> list[Part]:
        """Return this worker's parts of a batch of ``n_scans``, each with at most ``size`` scans.

        With ``size`` None, all scans of the worker are one part. The weights of all workers' parts
        sum to the number of workers, because gradients are averaged over workers. A worker without
        scans gets one part with weight 0, because the other workers wait for its gradients.
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
        """Wrap a network so that its gradients are averaged over the workers."""
        return network if self.n == 1 else DistributedDataParallel(network)

    def gradient_sync(self, network: nn.Module, part: Part) -> AbstractContextManager[None]:
        """Return the context for the backward pass of a part.

        Gradients are accumulated on this worker, and averaged over the workers with the last part.
        """
        if part.is_last or not isinstance(network, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[None] = network.no_sync()
        return context

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of a tensor over the workers."""
        if self.n > 1:
            distributed.all_reduce(values)
        return values / self.n


def current_workers() -> Workers:
    """Return this process's place among the workers of torch's process group.

    Without a process group, it is the only worker.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return Workers(rank=0, n=1)
    return Workers(rank=distributed.get_rank(), n=distributed.get_world_size())
