"""Density and coverage of features of volumes: whether samples lie where real scans do, and
whether they reach all of them (Naeem 2020)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from evaluation.damage.kinds import PLAUSIBLE
from evaluation.features.extraction import volume_means
from evaluation.measurement import Better
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from ldm.errors import InputError

Array = NDArray[np.float64]
N_NEIGHBORS = 5  # Naeem 2020, section 3.3; of fewer scans, all but the one itself
# The distances from real scans to samples, the radii of the real scans, how many neighbors.
Share = Callable[[Array, Array, int], float]


def n_neighbors(n_reference: int) -> int:
    """k: 5, or n - 1 where there are fewer than 6 real scans; raises InputError for one scan."""
    if n_reference < 2:
        raise InputError(
            f"density and coverage take 2 real scans or more, got {n_reference}: hold out more"
        )
    return min(N_NEIGHBORS, n_reference - 1)


def radii(among: Array, k: int) -> Array:
    """The distance of each of n real scans to its k-th nearest other, of distances (n, n)."""
    nearest: Array = np.partition(among, k, axis=1)[:, k]  # the first is the scan itself
    return nearest


def density(to_samples: Array, radius: Array, k: int) -> float:
    """How many of the k-neighborhoods of real scans a sample lies in, over k (Naeem 2020, eq. 5).

    About 1 for samples of the real distribution, more where they crowd at its modes, 0 where they
    lie outside of it. Distances have shape (real, samples); a neighborhood has its border.
    """
    return float((to_samples <= radius[:, None]).sum(axis=0).mean() / k)


def coverage(to_samples: Array, radius: Array, _: int) -> float:
    """Share of real scans with a sample in their k-neighborhood, 0 to 1 (Naeem 2020, eq. 6).

    Fewer samples cover less, so it compares only at the same n.
    """
    return float((to_samples <= radius[:, None]).any(axis=1).mean())


def density_metric(network: str) -> Metric:
    """``density_<network>`` of the mean features of volumes."""
    return _metric(f"density_{network}", network, density, unit="real neighborhoods")


def coverage_metric(network: str) -> Metric:
    """``coverage_<network>`` of the mean features of volumes."""
    return _metric(f"coverage_{network}", network, coverage, unit="share")


def _metric(name: str, network: str, share: Share, *, unit: str) -> Metric:
    def prepare(samples: Observations, reference: Observations) -> Statistic:
        ours, real = volume_means(samples, network), volume_means(reference, network)
        to_samples, among = cdist(real, ours), cdist(real, real)

        def statistic(chosen: Indices, others: Indices) -> float:
            others = np.unique(others)  # a scan drawn twice is not its own neighbor
            k = n_neighbors(len(others))
            radius = radii(among[np.ix_(others, others)], k)
            return share(to_samples[np.ix_(others, chosen)], radius, k)

        return statistic

    return Metric(
        name=name,
        unit=unit,
        better=Better.HIGHER,
        against=Against.HELD_OUT,
        empty="volumes of air lie far from real scans and score 0; a single real scan has no "
        "neighbor and is refused",
        prepare=prepare,
        blind_to=PLAUSIBLE,
        min_volumes=2,
    )
