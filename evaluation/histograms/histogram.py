"""HU histograms of volumes, and the distances between two sets of histograms."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from ldm.data.geometry.body import body_mask
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.data.geometry.volume import BoolArray, FloatArray

BIN_HU = 10.0
EDGES_HU = np.arange(WINDOW_HU[0], WINDOW_HU[1] + BIN_HU, BIN_HU)
CENTERS_HU = EDGES_HU[:-1] + BIN_HU / 2
N_BINS = len(CENTERS_HU)
WORST_HU = WINDOW_HU[1] - WINDOW_HU[0]
N_PLANES = 2  # planes counted in one step, few enough to stay in the processor's cache

Histograms = NDArray[np.float64]


def scan_histograms(hu: FloatArray, body: BoolArray) -> tuple[Histograms, Histograms]:
    """Return the histogram inside the body and that of the whole grid, each of shape (200,).

    A histogram holds the share of voxels in each bin of 10 HU over [-1000, 1000] HU. Voxels outside
    this window are counted in the first or last bin. If ``body`` is empty, its histogram is all
    zeros.
    """
    slowest = int(np.argmax(np.abs(hu.strides)))
    planes, inside = np.moveaxis(hu, slowest, 0), np.moveaxis(body, slowest, 0)
    counts = np.zeros(2 * N_BINS, np.int64)  # voxels outside the body, then voxels inside it
    for start in range(0, len(planes), N_PLANES):
        part = slice(start, start + N_PLANES)
        position = planes[part] - np.float32(WINDOW_HU[0])
        position /= np.float32(BIN_HU)
        np.clip(position, 0, N_BINS - 1, out=position)
        bins = position.astype(np.int32)
        bins += np.multiply(inside[part], N_BINS, dtype=np.int32)
        counts += np.bincount(bins.ravel(order="K"), minlength=2 * N_BINS)
    outside, within = counts.reshape(2, N_BINS)
    return _shares(within), _shares(outside + within)


def _shares(counts: NDArray[np.int64]) -> Histograms:
    shares: Histograms = counts / max(1, counts.sum())
    return shares


def body_histograms(volumes: Iterable[FloatArray]) -> Histograms:
    """Return the histogram inside the body mask of each volume, shape (n, 200)."""
    return np.stack([scan_histograms(hu, body_mask(hu))[0] for hu in volumes])


def whole_grid_histograms(volumes: Iterable[FloatArray]) -> Histograms:
    """Return the histogram over all voxels of each volume, as in the study, shape (n, 200)."""
    return np.stack([scan_histograms(hu, np.zeros(hu.shape, bool))[1] for hu in volumes])


def wasserstein_hu(first: Histograms, second: Histograms) -> float:
    """Return the Wasserstein-1 distance between two normalized histograms, in HU.

    It is the area between their cumulative distributions.
    """
    return float(np.abs(np.cumsum(first - second)).sum() * BIN_HU)


def jensen_shannon(first: Histograms, second: Histograms) -> float:
    """Return the Jensen-Shannon divergence of two normalized histograms, in bits (Lin 1991).

    It is 0 if they are the same and 1 if they have no bin in common.
    """
    average = (first + second) / 2
    nats = (rel_entr(first, average) + rel_entr(second, average)).sum() / 2
    return max(0.0, float(nats / np.log(2)))  # rounding may bring equal histograms below 0


def distance_hu(samples: Histograms, reference: Histograms) -> float:
    """Return the Wasserstein-1 distance between the averages of two sets of histograms, in HU.

    Both sets have shape (n, 200). A sample without a body (an all-zero histogram) counts as the
    largest distance that the window allows, 2000 HU. A real scan without a body is left out. If no
    sample or no real scan has a body, the distance is 2000 HU.
    """
    return _between_averages(wasserstein_hu, samples, reference, worst=WORST_HU)


def divergence(samples: Histograms, reference: Histograms) -> float:
    """Return the Jensen-Shannon divergence between the averages of two sets, in bits.

    Volumes without a body are treated as in ``distance_hu``, with 1 bit as the largest distance.
    """
    return _between_averages(jensen_shannon, samples, reference, worst=1.0)


def _between_averages(
    distance: Callable[[Histograms, Histograms], float],
    samples: Histograms,
    reference: Histograms,
    *,
    worst: float,
) -> float:
    with_body, real = samples[samples.any(axis=1)], reference[reference.any(axis=1)]
    if not (len(with_body) and len(real)):
        return worst
    share = len(with_body) / len(samples)
    return share * distance(with_body.mean(axis=0), real.mean(axis=0)) + (1 - share) * worst
