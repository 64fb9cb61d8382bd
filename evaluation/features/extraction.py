"""Read network features from observations, as rows per slice or as one mean vector per volume.

A network that looks at slices along three axes stores its features in three parts, one for each
plane. The planes are never mixed in one distribution.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import Observations
from evaluation.observation import Observation
from ldm.data.geometry.volume import FloatArray
from ldm.errors import InputError

RANDOM = "random_resnet18"  # has random weights, so it needs no file
PLANES = ("axial", "coronal", "sagittal")
THREE_PLANES = frozenset({"radimagenet", "radimagenet_keras"})  # 2.5D: slices along each axis


def parts_of(network: str) -> tuple[str, ...]:
    """Return the names under which observations store the features of a network.

    This is the network's own name, or one name per plane ("radimagenet_axial", ...) if the network
    looks along three axes.
    """
    if network in THREE_PLANES:
        return tuple(f"{network}_{plane}" for plane in PLANES)
    return (network,)


def feature_rows(observations: Observations, part: str) -> list[FloatArray]:
    """Return the features of each volume, one array of shape (slices, channels) per volume.

    ``part`` is one of the names that ``parts_of`` returns for the network.

    Raises
    ------
    InputError
        If a volume has no features of ``part``, has a different number of channels than the first
        volume, or has a feature that is not finite. The message names the volume.
    """
    rows = [_rows_of(one, part) for one in observations]
    for one, block in zip(observations, rows, strict=True):
        if block.shape[1] != rows[0].shape[1]:
            raise InputError(
                f"features of {part} must have the same number of channels in all volumes",
                seen=f"{one.name} has {block.shape[1]} and {observations[0].name} has "
                f"{rows[0].shape[1]}",
                remedy="compute the features of all volumes with the same network",
            )
    return rows


def _rows_of(one: Observation, part: str) -> FloatArray:
    if part not in one.features:
        present = ", ".join(one.features) or "no network"
        raise InputError(
            f"a score of {part} needs features of {part}",
            seen=f"{one.name} has features of {present}",
            remedy=f"compute its features with {part}",
        )
    block = one.features[part]
    if block.ndim != 2 or not len(block):
        raise InputError(
            f"features of {part} must have shape (slices, channels) with at least one slice",
            seen=f"{one.name} has shape {block.shape}",
            remedy="compute its features again",
        )
    if not np.isfinite(block).all():
        raise InputError(
            f"features of {part} must be finite",
            seen=f"those of {one.name} are not",
            remedy="check the HU values of this volume",
        )
    return block


def volume_means(observations: Observations, network: str) -> NDArray[np.float64]:
    """Return one feature vector per volume, the mean over its slices, shape (n, channels).

    For a network that looks along three axes, the means of the three planes are concatenated along
    the channels. Raises InputError in the same cases as ``feature_rows``.
    """
    means = [
        [block.mean(axis=0, dtype=np.float64) for block in feature_rows(observations, part)]
        for part in parts_of(network)
    ]
    return np.concatenate([np.stack(part) for part in means], axis=1)


def counts_of(indices: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return how often each of ``n`` volumes occurs in ``indices``, shape (n,)."""
    return np.bincount(indices, minlength=n).astype(np.float64)
