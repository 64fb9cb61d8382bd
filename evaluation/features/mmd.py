"""Maximum mean discrepancy of features of volumes: KID, with one vector a volume."""

import numpy as np
from numpy.typing import NDArray

from evaluation.damage.kinds import PLAUSIBLE
from evaluation.features.extraction import counts_of, volume_means
from evaluation.measurement import Better
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from ldm.errors import InputError

Array = NDArray[np.float64]
MIN_VOLUMES = 2  # a pair


def cubic_kernel(first: Array, second: Array) -> Array:
    """k(x, y) = (x.y / d + 1)^3 of all pairs, shape (n, m), for (n, d) and (m, d)
    (Binkowski 2018, section 3)."""
    kernel: Array = (first @ second.T / first.shape[1] + 1) ** 3
    return kernel


def mmd_squared(first: Array, second: Array) -> float:
    """Unbiased MMD^2 of two sets of vectors, (n, d) and (m, d) (Gretton 2012, eq. 3).

    About 0 where both are of one distribution, and then as often below 0 as above. Raises
    InputError for a set of one vector, which has no pair.
    """
    return _MmdSquared(first, second)(np.arange(len(first)), np.arange(len(second)))


class _MmdSquared:
    """MMD^2 of those drawn of two sets, from kernels computed once."""

    def __init__(self, first: Array, second: Array) -> None:
        self._first, self._second = cubic_kernel(first, first), cubic_kernel(second, second)
        self._between = cubic_kernel(first, second)

    def __call__(self, chosen: Indices, others: Indices) -> float:
        for drawn in (chosen, others):
            if len(drawn) < MIN_VOLUMES:
                raise InputError(
                    f"an unbiased MMD takes {MIN_VOLUMES} volumes or more on either side, got "
                    f"{len(drawn)}: give more volumes"
                )
        n, m = (counts_of(chosen, len(self._first)), counts_of(others, len(self._second)))
        between = n @ self._between @ m / (n.sum() * m.sum())
        return float(_mean_of_pairs(self._first, n) + _mean_of_pairs(self._second, m) - 2 * between)


def _mean_of_pairs(kernel: Array, counts: Array) -> float:
    """Mean over pairs of different volumes; of one volume drawn again and again, its own."""
    weights = np.outer(counts, counts)
    np.fill_diagonal(weights, 0)
    if not weights.any():
        return float(kernel.diagonal() @ counts / counts.sum())
    return float((weights * kernel).sum() / weights.sum())


def mmd_metric(network: str) -> Metric:
    """``mmd_<network>``: unbiased MMD^2 of the mean features of volumes.

    A pair of one index is a volume with itself and is left out, so a bootstrap stays unbiased.
    """

    def prepare(samples: Observations, reference: Observations) -> Statistic:
        return _MmdSquared(volume_means(samples, network), volume_means(reference, network))

    return Metric(
        name=f"mmd_{network}",
        unit="squared kernel mean",
        better=Better.LOWER,
        against=Against.HELD_OUT,
        empty="volumes of air have features as all others; one volume, without a pair, is refused; "
        "in a draw of one volume again and again it pairs with itself",
        prepare=prepare,
        blind_to=PLAUSIBLE,
        min_volumes=2,
    )
