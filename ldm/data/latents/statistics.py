"""Mean and standard deviation of the latents of a split, summed one scan at a time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm.errors import InputError

HalfArray = NDArray[np.float16]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentStatistics:
    """Mean and standard deviation of the latents that are drawn from stored posteriors.

    A latent is z = mean + std * noise. ``mean`` and ``std`` have one value for each channel.
    ``scale_std`` is the standard deviation over all channels together, by which the study scales.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale_std: float


class MomentSums:
    """Sums from which the statistics of latents are computed, in double precision.

    The variance of a latent is var(mean) + E[std^2], with the posterior's mean and std.
    """

    def __init__(self) -> None:
        self._n = 0
        self._mean = self._square = self._noise = np.zeros(0)

    def add(self, mean: NDArray[np.generic], std: NDArray[np.generic]) -> None:
        """Add the mean and standard deviation of one scan's posterior, each (channels, x, y, z)."""
        wide, noise = (value.reshape(len(value), -1).astype(np.float64) for value in (mean, std))
        if not self._n:
            self._mean, self._square, self._noise = (np.zeros(len(wide)) for _ in range(3))
        self._n += wide.shape[1]
        self._mean = self._mean + wide.sum(axis=1)
        self._square = self._square + np.square(wide).sum(axis=1)
        self._noise = self._noise + np.square(noise).sum(axis=1)

    def statistics(self) -> LatentStatistics:
        """Return the statistics of all scans so far. Raises InputError if there are none."""
        if not self._n:
            raise InputError(
                "latent statistics need a scan", seen="got none", remedy="add training scans"
            )
        mean, square, noise = (s / self._n for s in (self._mean, self._square, self._noise))
        variance = square - np.square(mean) + noise
        scale = square.mean() - mean.mean() ** 2 + noise.mean()
        return LatentStatistics(
            mean=tuple(mean.tolist()),
            std=tuple(np.sqrt(variance).tolist()),
            scale_std=float(np.sqrt(scale)),
        )
