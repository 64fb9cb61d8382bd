"""nnU-Net reads its checkpoints as pickles, which can run code: here it reads weights alone.

``nnUNetPredictor`` (2.8) calls ``torch.load(weights_only=False)``. torch lets the environment
overrule that; what nnU-Net's own checkpoints hold besides tensors is then listed, and all else is
refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ldm.environment import environment
from ldm.errors import InputError

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
SCALARS = (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)


@contextmanager
def weights_only(checkpoint: Path) -> Iterator[None]:
    """Within, this process' ``torch.load`` runs no code; raises InputError for a file that would.

    ``checkpoint`` is the file that is about to be loaded.
    """
    import torch

    try:
        with environment({FORCE: "1"}), torch.serialization.safe_globals(_numbers()):
            yield
    except UnpicklingError as error:
        raise InputError(
            f"{checkpoint} holds more than weights and numbers and was not loaded, for it could "
            "run code: fetch TotalSegmentator's weights again"
        ) from error


def _numbers() -> list[Any]:
    """What nnU-Net logs beside its weights: numbers of NumPy, by their old and new names."""
    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    types = [type(np.dtype(kind)) for kind in SCALARS]
    return [*((scalar, name) for name in names), np.dtype, *SCALARS, *types]
