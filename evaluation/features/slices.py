"""Cut a volume into the slices that image networks expect, and wrap networks as ``Features``."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.features.extraction import PLANES
from evaluation.observation import Features
from ldm.data.geometry.intensity import to_unit
from ldm.data.geometry.volume import FloatArray, Volume
from ldm.errors import InputError

MAX_SLICES = 16  # per volume and axis: neighboring slices add cost but little information
BATCH = 16  # slices per forward pass: 0.3 GiB at 299 x 299 pixels
AXIS_OF = dict(zip(PLANES, (2, 1, 0), strict=True))

Normalize = Callable[[Tensor], Tensor]


def slice_positions(n: int, max_slices: int = MAX_SLICES) -> range:
    """Return the indices of every k-th of ``n`` slices, centered on the middle slice.

    k is the smallest step that leaves at most ``max_slices`` slices.
    """
    if max_slices < 1:
        raise InputError("features need at least one slice per volume", seen=f"got {max_slices}")
    step = -(-n // max_slices)
    return range((n - 1) % step // 2, n, step)


def slices_of(
    volume: Volume, plane: str, window_hu: tuple[float, float], max_slices: int = MAX_SLICES
) -> FloatArray:
    """Return slices of a volume scaled to [0, 1], shape (slices, rows, columns).

    0 and 1 are the ends of ``window_hu``; values outside are clipped. Slices are oriented as
    radiologists view them. Axial: anterior is up and the patient's right is on the left. Coronal:
    superior is up and the patient's right is on the left. Sagittal: superior is up and anterior is
    on the left.
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
    """Wrap a network for color images as a function from a volume to features of its slices.

    The function returns one row per slice, shape (slices, channels). The gray slice is repeated in
    all three color channels.

    Parameters
    ----------
    network
        Takes images of shape (slices, 3, rows, columns) and returns (slices, channels). It is put
        into evaluation mode and frozen.
    normalize
        Maps images in [0, 1] to the range that the network was trained on.
    plane
        "axial", "coronal" or "sagittal".
    window_hu
        The HU that become 0 and 1.
    max_slices
        The most slices of one volume that are used.
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
    """Wrap a 3D network as a function from a volume to a single row of features.

    The network takes shape (1, 1, x, y, z). ``normalize`` maps voxels in [0, 1], which span the
    window [-1000, 1000] HU, to the range that the network was trained on.
    """
    frozen = network.eval().requires_grad_(False)

    def look(volume: Volume) -> FloatArray:
        voxels = torch.from_numpy(np.ascontiguousarray(to_unit(volume.array)))
        with torch.inference_mode():
            features: FloatArray = frozen(normalize(voxels[None, None])).numpy()
        return features

    return look
