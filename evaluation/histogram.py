"""Distance between the HU histograms of generated and of held-out real scans."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from evaluation.score import INTERVAL, Score, bootstrap
from ldm.data.body import body_mask
from ldm.data.intensity import WINDOW_HU
from ldm.data.volume import BoolArray, FloatArray

BIN_HU = 10.0
EDGES_HU = np.arange(WINDOW_HU[0], WINDOW_HU[1] + BIN_HU, BIN_HU)
CENTERS_HU = EDGES_HU[:-1] + BIN_HU / 2
WORST_HU = WINDOW_HU[1] - WINDOW_HU[0]
N_NULL_DRAWS = 200

Histograms = NDArray[np.float64]


def scan_histogram(hu: FloatArray, mask: BoolArray) -> Histograms:
    """Shares of the masked voxels in bins of 10 HU, shape (200,); all zero for an empty mask.

    Voxels outside the window count in its first or last bin.
    """
    inside = hu[mask].clip(*WINDOW_HU)
    counts, _ = np.histogram(inside, EDGES_HU)
    shares: Histograms = counts / max(1, counts.sum())
    return shares


def body_histograms(volumes: Iterable[FloatArray]) -> Histograms:
    """One histogram a volume, inside its body mask, shape (n, 200)."""
    return np.stack([scan_histogram(hu, body_mask(hu)) for hu in volumes])


def whole_grid_histograms(volumes: Iterable[FloatArray]) -> Histograms:
    """One histogram a volume over every voxel, as the study drew them, shape (n, 200)."""
    return np.stack([scan_histogram(hu, np.ones(hu.shape, bool)) for hu in volumes])


def wasserstein_hu(first: Histograms, second: Histograms) -> float:
    """Wasserstein-1 between two normalized histograms, in HU: the area between their sums."""
    return float(np.abs(np.cumsum(first - second)).sum() * BIN_HU)


def distance_hu(samples: Histograms, reference: Histograms) -> float:
    """Wasserstein-1 between the averages of two sets of histograms.

    A volume without a body (an all-zero histogram) counts with the worst distance that the
    window allows, 2000 HU.
    """
    has_body = samples.sum(axis=1) > 0
    n_body = int(has_body.sum())
    if n_body == 0:
        return WORST_HU
    average = samples[has_body].mean(axis=0)
    real = reference[reference.sum(axis=1) > 0].mean(axis=0)
    share = n_body / len(samples)
    return share * wasserstein_hu(average, real) + (1 - share) * WORST_HU


def histogram_distance(samples: Histograms, reference: Histograms, *, seed: int = 0) -> Score:
    """The objective ``histogram_distance_hu`` (lower is better), interval over the samples."""
    return bootstrap(len(samples), lambda index: distance_hu(samples[index], reference), seed=seed)


def real_against_real(real: Histograms, reference: Histograms, *, n: int, seed: int = 0) -> Score:
    """The null: n real scans drawn without replacement, against the reference; mean over draws.

    Where there are fewer than n real scans, all of them; the score's n says how many.
    """
    rng = np.random.default_rng(seed)
    n_drawn = min(n, len(real))
    draws = [
        distance_hu(real[rng.permutation(len(real))[:n_drawn]], reference)
        for _ in range(N_NULL_DRAWS)
    ]
    low, high = np.percentile(draws, INTERVAL)
    return Score(value=float(np.mean(draws)), low=float(low), high=float(high), n=n_drawn)
