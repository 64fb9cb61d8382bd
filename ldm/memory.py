"""How much memory work will take: it is run on tensors without values, whose sizes are added up."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, UntypedStorage

from ldm.network_copy import Network, copy_network
from ldm.private_torch import FakeTensorMode, TorchDispatchMode, tree_leaves

CONVOLUTIONS = (torch.ops.aten.convolution, torch.ops.aten.convolution_backward)


def peak_memory_gib(run: Callable[[], object]) -> float:
    """The most that tensors take at any one time of ``run``, in GiB; nothing is computed.

    ``run`` makes all its tensors itself, networks too, on the CPU: fake GPU tensors need a GPU. It
    may ask for no value (``float(loss)``) and move no network (``.to``). A GPU takes about the
    same: the study's size at batch 4 took 2 % more in bfloat16
    (``tests/ldm/diffusion/test_on_gpu.py``). Left out: what kernels need beside their results, but
    for the copy of its input that a convolution makes; holes and rounding of the allocator; torch
    itself.
    """
    with FakeTensorMode(), _Ledger() as ledger:
        run()
    return float(ledger.peak_bytes / 2**30)


def hollow_copy(network: Network) -> Network:
    """Inside of ``run``: the same network without values, on the CPU, wherever it is itself."""
    return copy_network(network, lambda values: torch.empty(values.shape, dtype=values.dtype))


class _Ledger(TorchDispatchMode):
    """Sees what every operation makes, and when the last tensor on a piece of memory is gone."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's has no types
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
