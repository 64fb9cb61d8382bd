"""Maximum mean discrepancy (MMD) between sets of volumes: the KID with one vector per volume."""

import numpy as np
from numpy.typing import NDArray

from evaluation.damage.kinds import PLAUSIBLE
from evaluation.features.extraction import counts_of, volume_means
from evaluation.measurement import Better
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from ldm.errors import InputError

Array = NDArray[np.float64]
MIN_VOLUMES = 2  # the fewest that form a pair


def cubic_kernel(first: Array, second: Array) -> Array:
    """Return k(x, y) = (x.y / d + 1)^3 for all pairs of rows (Binkowski 2018, section 3).

    The arguments have shape (n, d) and (m, d); the result has shape (n, m).
    """
    kernel: Array = (first @ second.T / first.shape[1] + 1) ** 3
    return kernel


def mmd_squared(first: Array, second: Array) -> float:
    """Return the unbiased squared MMD of two sets of vectors (Gretton 2012, eq. 3).

    The sets have shape (n, d) and (m, d). If both come from the same distribution, the result
    scatters around 0 and may be negative.

    Raises
    ------
    InputError
        If a set has a single vector, which forms no pair.
    """
    return _MmdSquared(first, second)(np.arange(len(first)), np.arange(len(second)))


class _MmdSquared:
    """The squared MMD of any resampling of two sets. The kernels are computed once."""

    def __init__(self, first: Array, second: Array) -> None:
        self._first, self._second = cubic_kernel(first, first), cubic_kernel(second, second)
        self._between = cubic_kernel(first, second)

    def __call__(self, chosen: Indices, others: Indices) -> float:
        for drawn in (chosen, others):
            if len(drawn) < MIN_VOLUMES:
                raise InputError(
                    f"an unbiased MMD needs {MIN_VOLUMES} volumes or more on either side",
                    seen=f"got {len(drawn)}",
                    remedy="give more volumes",
                )
        n, m = (counts_of(chosen, len(self._first)), counts_of(others, len(self._second)))
        between = n @ self._between @ m / (n.sum() * m.sum())
        return float(_mean_of_pairs(self._first, n) + _mean_of_pairs(self._second, m) - 2 * between)


def _mean_of_pairs(kernel: Array, counts: Array) -> float:
    """Return the mean of the kernel over all pairs of different volumes.

    Volume i counts ``counts[i]`` times. If only one volume was drawn, there are no such pairs, and
    the volume's kernel with itself is returned.
    """
    weights = np.outer(counts, counts)
    np.fill_diagonal(weights, 0)
    if not weights.any():
        return float(kernel.diagonal() @ counts / counts.sum())
    return float((weights * kernel).sum() / weights.sum())


def mmd_metric(network: str) -> Metric:
    """Return the score ``mmd_<network>``: the unbiased MMD^2 of the mean features of volumes.

    A bootstrap draw may hold a volume several times. The pairs of a volume with its own copies are
    left out, so that the draws stay unbiased.
    """

    def prepare(samples: Observations, reference: Observations) -> Statistic:
        return _MmdSquared(volume_means(samples, network), volume_means(reference, network))

    return Metric(
        name=f"mmd_{network}",
        unit="squared kernel mean",
        better=Better.LOWER,
        against=Against.HELD_OUT,
        empty="volumes of air have features like any other volume; a single volume forms no pair "
        "and is refused; if a bootstrap draw holds only one volume, it is paired with itself",
        prepare=prepare,
        blind_to=PLAUSIBLE,
        min_volumes=2,
    )
