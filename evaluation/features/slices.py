"""The slices of a volume as networks of pictures take them, and networks as ``Features``."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.features.extraction import PLANES
from evaluation.observation import Features
from ldm.data.geometry.intensity import to_unit
from ldm.data.geometry.volume import FloatArray, Volume
from ldm.errors import InputError

MAX_SLICES = 16  # of a volume along one axis: neighbors say little new, and cost as much
BATCH = 16  # slices at a time: of 299 x 299 pixels they take 0.3 GiB
AXIS_OF = dict(zip(PLANES, (2, 1, 0), strict=True))

Normalize = Callable[[Tensor], Tensor]


def slice_positions(n: int, max_slices: int = MAX_SLICES) -> range:
    """Every k-th of n slices, about their middle; k is the least that leaves ``max_slices``."""
    if max_slices < 1:
        raise InputError(f"features are of one slice a volume or more, got {max_slices}")
    step = -(-n // max_slices)
    return range((n - 1) % step // 2, n, step)


def slices_of(
    volume: Volume, plane: str, window_hu: tuple[float, float], max_slices: int = MAX_SLICES
) -> FloatArray:
    """Slices in [0, 1] of a window of HU, shape (slices, rows, columns); what lies outside the
    window goes to its edge.

    As radiologists look at them: anterior or superior up, the patient's right (or anterior) at
    the left of the picture.
    """
    axis = AXIS_OF[plane]
    chosen = slice_positions(volume.array.shape[axis], max_slices)
    slices = np.moveaxis(volume.array, axis, 0)[chosen.start : chosen.stop : chosen.step]
    low, high = window_hu
    unit = (slices.transpose(0, 2, 1)[:, ::-1, ::-1].clip(low, high) - low) / (high - low)
    return np.ascontiguousarray(unit, np.float32)


def slice_features(
    network: nn.Module,
    normalize: Normalize,
    *,
    plane: str,
    window_hu: tuple[float, float],
    max_slices: int = MAX_SLICES,
) -> Features:
    """What a network of three-channel pictures says of slices along one axis, a row a slice.

    ``normalize`` takes pictures in [0, 1], (slices, 3, rows, columns), to what the network was
    trained on; the network gives (slices, channels).
    """
    frozen = network.eval().requires_grad_(False)

    def look(volume: Volume) -> FloatArray:
        gray = torch.from_numpy(slices_of(volume, plane, window_hu, max_slices))
        with torch.inference_mode():
            rows = [
                frozen(normalize(part[:, None].expand(-1, 3, -1, -1))) for part in gray.split(BATCH)
            ]
        features: FloatArray = torch.cat(rows).numpy()
        return features

    return look


def volume_features(network: nn.Module, normalize: Normalize) -> Features:
    """What a 3D network says of a volume, one row; it is given (1, 1, x, y, z)."""
    frozen = network.eval().requires_grad_(False)

    def look(volume: Volume) -> FloatArray:
        voxels = torch.from_numpy(np.ascontiguousarray(to_unit(volume.array)))
        with torch.inference_mode():
            features: FloatArray = frozen(normalize(voxels[None, None])).numpy()
        return features

    return look
