"""Scores that compare HU histograms. None of them depends on where a voxel lies."""

from collections.abc import Callable

import numpy as np

from evaluation.damage.kinds import ARRANGEMENT, Damage
from evaluation.histograms.histogram import Histograms, distance_hu, divergence
from evaluation.histograms.peaks import find_tissue_peaks, peak_distance_hu
from evaluation.measurement import Better
from evaluation.metric import Against, Indices, Metric, Observations, Statistic

Distance = Callable[[Histograms, Histograms], float]


def body_histograms_of(observations: Observations) -> Histograms:
    """Return the histogram inside the body of each observation, shape (n, 200)."""
    return np.stack([one.body_histogram for one in observations])


def grid_histograms_of(observations: Observations) -> Histograms:
    """Return the histogram over the whole grid of each observation, shape (n, 200)."""
    return np.stack([one.grid_histogram for one in observations])


def _prepare(
    take: Callable[[Observations], Histograms], distance: Distance
) -> Callable[[Observations, Observations], Statistic]:
    def prepare(samples: Observations, reference: Observations) -> Statistic:
        ours, real = take(samples), take(reference)

        def statistic(chosen: Indices, others: Indices) -> float:
            return distance(ours[chosen], real[others])

        return statistic

    return prepare


def _prepare_peaks(samples: Observations, reference: Observations) -> Statistic:
    ours = body_histograms_of(samples), grid_histograms_of(samples)
    real = body_histograms_of(reference), grid_histograms_of(reference)

    def statistic(chosen: Indices, others: Indices) -> float:
        return peak_distance_hu(
            find_tissue_peaks(*(part[chosen].mean(axis=0) for part in ours)),
            find_tissue_peaks(*(part[others].mean(axis=0) for part in real)),
        )

    return statistic


HISTOGRAM_DISTANCE = Metric(
    name="histogram_distance_hu",
    unit="HU",
    better=Better.LOWER,
    against=Against.HELD_OUT,
    empty="a sample without a body counts as 2000 HU, the largest distance that the window allows",
    prepare=_prepare(body_histograms_of, distance_hu),
    blind_to=ARRANGEMENT,
)
HISTOGRAM_DISTANCE_WHOLE_GRID = Metric(
    name="histogram_distance_whole_grid_hu",
    unit="HU",
    better=Better.LOWER,
    against=Against.HELD_OUT,
    empty="a volume of air has all its voxels in the first bin",
    prepare=_prepare(grid_histograms_of, distance_hu),
    blind_to=ARRANGEMENT | {Damage.NOISE},
)
HISTOGRAM_JENSEN_SHANNON = Metric(
    name="histogram_jensen_shannon",
    unit="bit",
    better=Better.LOWER,
    against=Against.HELD_OUT,
    empty="a sample without a body counts as 1 bit, the largest divergence",
    prepare=_prepare(body_histograms_of, divergence),
    blind_to=ARRANGEMENT,
)
HISTOGRAM_PEAK_DISTANCE = Metric(
    name="histogram_peak_distance_hu",
    unit="HU",
    better=Better.LOWER,
    against=Against.HELD_OUT,
    empty="a peak that the samples lack counts as the width of the range in which it is searched",
    prepare=_prepare_peaks,
    blind_to=ARRANGEMENT,
)
HISTOGRAM_METRICS = (
    HISTOGRAM_DISTANCE,
    HISTOGRAM_DISTANCE_WHOLE_GRID,
    HISTOGRAM_JENSEN_SHANNON,
    HISTOGRAM_PEAK_DISTANCE,
)
