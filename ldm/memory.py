"""Forecast the memory that a computation needs, without computing anything.

The computation runs on fake tensors, which have shapes but no values. Their sizes are added up.
"""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, UntypedStorage

from ldm.network_copy import Network, copy_network
from ldm.private_torch import FakeTensorMode, TorchDispatchMode, tree_leaves

CONVOLUTIONS = (torch.ops.aten.convolution, torch.ops.aten.convolution_backward)


def peak_memory_gib(run: Callable[[], object]) -> float:
    """Return the peak memory of all tensors that exist at the same time during ``run``, in GiB.

    ``run`` must create all its tensors and networks itself, on the CPU, because fake GPU tensors
    need a GPU. It must not read a value (``float(loss)``) or move a network (``.to``).

    A GPU needs about the same: a training step at the study's size with batch size 4 took 2 % more
    in bfloat16 (``tests/ldm/diffusion/test_on_gpu.py``). The forecast does not include the
    workspace of kernels, except the copy that a convolution makes of its input. It also excludes
    fragmentation and rounding in the allocator, and torch itself.
    """
    with FakeTensorMode(), _Ledger() as ledger:
        run()
    return float(ledger.peak_bytes / 2**30)


def hollow_copy(network: Network) -> Network:
    """Return a copy of a network with tensors on the CPU that have no values.

    For use inside the function given to ``peak_memory_gib``.
    """
    return copy_network(network, lambda values: torch.empty(values.shape, dtype=values.dtype))


class _Ledger(TorchDispatchMode):
    """Track the memory of all live tensors.

    Every operation reports its results here, and a finalizer reports when the last tensor of a
    storage is gone.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch declares no types here
        self.held_bytes = self.peak_bytes = 0
        self._known: weakref.WeakSet[UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, _: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._add(value.untyped_storage())
        is_convolution = func.overloadpacket in CONVOLUTIONS
        copied_bytes = args[0].nbytes if is_convolution else 0
        self.peak_bytes = max(self.peak_bytes, self.held_bytes + copied_bytes)
        return result

    def _add(self, storage: UntypedStorage) -> None:
        if storage not in self._known:
            self._known.add(storage)
            self.held_bytes += storage.nbytes()
            weakref.finalize(storage, self._remove, storage.nbytes())

    def _remove(self, n_bytes: int) -> None:
        self.held_bytes -= n_bytes
