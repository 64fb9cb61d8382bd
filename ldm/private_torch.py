"""The parts of PyTorch used here that are not public: their modules' names begin with "_".

``ldm.memory`` adds up the memory of work without doing it. PyTorch has no public way to do that:

- ``FakeTensorMode`` runs operations on tensors that have a shape but no values. Without it, a
  forecast would take the memory and the time that it is meant to forecast.
- ``TorchDispatchMode`` sees every operation, those of the backward pass too. Without it, nothing
  knows which tensors exist at the same time. ``torch.distributed._tools.MemTracker`` is built on it
  as well, but hooks every module of a network.
- ``tree_leaves`` finds the tensors in what an operation returned: a tensor, or lists of them.

``tests/ldm/test_private_torch.py`` runs each of them against the installed version.
"""

from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["FakeTensorMode", "TorchDispatchMode", "tree_leaves"]
