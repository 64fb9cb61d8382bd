"""The private parts of PyTorch that are used here, from modules whose names begin with "_".

``ldm.memory`` forecasts the memory of a computation without running it. PyTorch has no public way
to do that:

- ``FakeTensorMode`` runs operations on tensors that have a shape but no values. Without it, a
  forecast would take as much memory and time as the computation itself.
- ``TorchDispatchMode`` intercepts every operation, including those of the backward pass. Without
  it, there is no way to know which tensors exist at the same time.
  ``torch.distributed._tools.MemTracker`` is built on it too, but hooks every module of a network.
- ``tree_leaves`` finds the tensors in the result of an operation: a tensor, or lists of them.

``tests/ldm/test_private_torch.py`` tests each of them with the installed version.
"""

from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["FakeTensorMode", "TorchDispatchMode", "tree_leaves"]
