"""Density and coverage, computed on one feature vector per volume (Naeem 2020).

Density asks whether samples lie where real scans lie. Coverage asks whether every region that holds
real scans also holds samples.
"""

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
N_NEIGHBORS = 5  # Naeem 2020, section 3.3
# Arguments: distances (real, samples), neighborhood radius of each real scan, number of neighbors.
Share = Callable[[Array, Array, int], float]


def n_neighbors(n_reference: int) -> int:
    """Return k, the number of nearest neighbors that define a neighborhood.

    k is 5, or ``n_reference - 1`` if there are fewer than 6 real scans.

    Raises
    ------
    InputError
        If there are fewer than two real scans.
    """
    if n_reference < 2:
        raise InputError(
            "density and coverage need 2 real scans or more",
            seen=f"got {n_reference}",
            remedy="hold out more scans",
        )
    return min(N_NEIGHBORS, n_reference - 1)


def radii(among: Array, k: int) -> Array:
    """Return the distance from each real scan to its k-th nearest other scan, shape (n,).

    ``among`` holds the distances between all real scans, shape (n, n).
    """
    nearest: Array = np.partition(among, k, axis=1)[:, k]  # index 0 is the scan itself
    return nearest


def density(to_samples: Array, radius: Array, k: int) -> float:
    """Return the density of the samples (Naeem 2020, eq. 5).

    Density is the number of real neighborhoods that a sample falls into, averaged over samples and
    divided by k. It is about 1 if samples follow the real distribution, above 1 if they crowd
    around its modes, and 0 if they lie outside it. A point on the border of a neighborhood counts
    as inside.

    ``to_samples`` holds the distance from each real scan to each sample, shape (real, samples).
    ``radius`` is the result of ``radii`` for the same ``k``, shape (real,).
    """
    return float((to_samples <= radius[:, None]).sum(axis=0).mean() / k)


def coverage(to_samples: Array, radius: Array, _: int) -> float:
    """Return the share of real scans with a sample in their neighborhood (Naeem 2020, eq. 6).

    A real scan is covered if a sample is no farther from it than ``radius``. The result is between
    0 and 1. It grows with the number of samples, so compare only sets of the same size.

    ``to_samples`` holds the distance from each real scan to each sample, shape (real, samples).
    ``radius`` is the result of ``radii``, shape (real,). The third argument, the number of
    neighbors, is not used; it lets coverage and density be called alike.
    """
    return float((to_samples <= radius[:, None]).any(axis=1).mean())


def density_metric(network: str) -> Metric:
    """Return the score ``density_<network>``: how densely real scans surround the samples.

    Each volume is described by one vector, the mean of its features from the network.
    """
    return _metric(f"density_{network}", network, density, unit="real neighborhoods")


def coverage_metric(network: str) -> Metric:
    """Return the score ``coverage_<network>``: the share of real scans that the samples cover.

    Each volume is described by one vector, the mean of its features from the network.
    """
    return _metric(f"coverage_{network}", network, coverage, unit="share")


def _metric(name: str, network: str, share: Share, *, unit: str) -> Metric:
    def prepare(samples: Observations, reference: Observations) -> Statistic:
        ours, real = volume_means(samples, network), volume_means(reference, network)
        to_samples, among = cdist(real, ours), cdist(real, real)

        def statistic(chosen: Indices, others: Indices) -> float:
            others = np.unique(others)  # a scan that was drawn twice must not be its own neighbor
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
        "neighbor, so the score is refused",
        prepare=prepare,
        blind_to=PLAUSIBLE,
        min_volumes=2,
    )
