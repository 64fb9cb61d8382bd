"""Features of networks as scores take them from observations: rows of slices, and volume means.

A network that looks along three axes has features of three parts, one a plane: rows of different
planes are never mixed in one distribution.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import Observations
from evaluation.observation import Observation
from ldm.data.geometry.volume import FloatArray
from ldm.errors import InputError

RANDOM = "random_resnet18"  # the network of random weights: needs no file
PLANES = ("axial", "coronal", "sagittal")
THREE_PLANES = frozenset({"radimagenet", "radimagenet_keras"})  # 2.5D: looked at along each axis


def parts_of(network: str) -> tuple[str, ...]:
    """The names under which observations have the features of a network: its own, or a plane's."""
    if network in THREE_PLANES:
        return tuple(f"{network}_{plane}" for plane in PLANES)
    return (network,)


def feature_rows(observations: Observations, part: str) -> list[FloatArray]:
    """The (slices, channels) of each volume.

    Raises InputError, naming the volume, where the network did not look at it, where its channels
    are not those of the others, or a feature is not finite.
    """
    rows = [_rows_of(one, part) for one in observations]
    for one, block in zip(observations, rows, strict=True):
        if block.shape[1] != rows[0].shape[1]:
            raise InputError(
                f"features of {part} have the same channels in all volumes, {one.name} has "
                f"{block.shape[1]}, {observations[0].name} {rows[0].shape[1]}: observe them again"
            )
    return rows


def _rows_of(one: Observation, part: str) -> FloatArray:
    if part not in one.features:
        looked = ", ".join(one.features) or "no network"
        raise InputError(
            f"a score of {part} needs its features, {one.name} was looked at by {looked}: "
            f"observe it with {part}"
        )
    block = one.features[part]
    if block.ndim != 2 or not len(block):
        raise InputError(
            f"features of {part} are (slices, channels) with a slice or more, {one.name} has "
            f"{block.shape}: observe it again"
        )
    if not np.isfinite(block).all():
        raise InputError(
            f"features of {part} must be finite, those of {one.name} are not: look at its HU"
        )
    return block


def volume_means(observations: Observations, network: str) -> NDArray[np.float64]:
    """One vector a volume, the mean over its slices, shape (n, channels).

    The parts of a network that looks along three axes stand one after another. Raises as
    ``feature_rows``.
    """
    means = [
        [block.mean(axis=0, dtype=np.float64) for block in feature_rows(observations, part)]
        for part in parts_of(network)
    ]
    return np.concatenate([np.stack(part) for part in means], axis=1)


def counts_of(indices: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """How often each of n volumes was drawn, shape (n,)."""
    return np.bincount(indices, minlength=n).astype(np.float64)
