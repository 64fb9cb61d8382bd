"""Prevent checkpoints from running code when nnU-Net loads them.

``nnUNetPredictor`` (2.8) calls ``torch.load(weights_only=False)``, which unpickles the file, and a
pickle can run any code. An environment variable makes torch load weights only. Besides tensors,
nnU-Net's own checkpoints hold some NumPy scalars. These types are allowed by name, all others are
refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ldm.environment import environment_variables
from ldm.errors import InputError
from ldm.files.file_kind import refuse_strangers

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
SCALARS = (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)


@contextmanager
def weights_only(checkpoint: Path) -> Iterator[None]:
    """Make every ``torch.load`` of this process load weights only while the context is open.

    ``checkpoint`` is the file that is about to be loaded; error messages name it.

    Raises
    ------
    InputError
        If the file is no torch file, or if it holds more than weights and numbers, and so could run
        code.
    """
    import torch

    refuse_strangers(checkpoint)
    try:
        with environment_variables({FORCE: "1"}), torch.serialization.safe_globals(_numbers()):
            yield
    except UnpicklingError as error:
        raise InputError(
            f"{checkpoint} holds more than weights and numbers, so it could run code and was not "
            "loaded",
            remedy="download TotalSegmentator's weights again",
        ) from error


def _numbers() -> list[Any]:
    """Return the NumPy types that nnU-Net stores beside its weights.

    The function that unpickles a scalar is listed by its name in NumPy 1 and in NumPy 2.
    """
    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    types = [type(np.dtype(kind)) for kind in SCALARS]
    return [*((scalar, name) for name in names), np.dtype, *SCALARS, *types]
