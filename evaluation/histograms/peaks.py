"""The peaks of an abdominal HU histogram by name: air, lung, fat, soft tissue."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from evaluation.histograms.histogram import BIN_HU, CENTERS_HU, Histograms

SMOOTHING_HU = 10.0  # standard deviation: a scanner's noise makes no peak of its own
MAX_PLATEAU_BINS = 5  # a peak has a top, a flat histogram is none
MIN_PROMINENCE = 0.0005  # share of voxels in a bin that a peak rises above its surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """Where physics puts a peak, and the range in which it is looked for.

    Air is -1000 HU and water 0 by definition. Fat lies near -100, muscle near 50 and other soft
    tissue from 30 to 60 before contrast; lung depends on how it is inflated.
    """

    name: str
    expected_hu: float
    range_hu: tuple[float, float]


TISSUES = (
    Tissue(name="air", expected_hu=-1000.0, range_hu=(-1000.0, -930.0)),
    Tissue(name="lung", expected_hu=-820.0, range_hu=(-930.0, -600.0)),
    Tissue(name="fat", expected_hu=-100.0, range_hu=(-180.0, -30.0)),
    Tissue(name="soft tissue", expected_hu=50.0, range_hu=(-20.0, 180.0)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A tissue's peak in one histogram; ``hu`` is None where there is none."""

    tissue: str
    hu: float | None


def find_tissue_peaks(body: Histograms, grid: Histograms) -> tuple[Peak, ...]:
    """The most prominent peak in each tissue's range; histograms of the body and the whole grid.

    Air is looked for on the whole grid, for it lies around the body, the others inside the body,
    where the partial voxels of its skin do not hide them. Both histograms have shape (200,).
    """
    of_body, of_grid = _peaks(body), _peaks(grid)
    return tuple(
        _most_prominent(tissue, *(of_grid if tissue.name == "air" else of_body))
        for tissue in TISSUES
    )


def _peaks(histogram: Histograms) -> tuple[Histograms, Histograms]:
    """Where all peaks are in HU, and how far each rises."""
    smooth = gaussian_filter1d(histogram, SMOOTHING_HU / BIN_HU, mode="nearest")
    found, properties = find_peaks(
        np.pad(smooth, 1), prominence=MIN_PROMINENCE, plateau_size=(1, MAX_PLATEAU_BINS)
    )
    return CENTERS_HU[found - 1], properties["prominences"]


def _most_prominent(tissue: Tissue, at_hu: Histograms, prominence: Histograms) -> Peak:
    low, high = tissue.range_hu
    inside = np.flatnonzero((at_hu >= low) & (at_hu < high))
    if not inside.size:
        return Peak(tissue=tissue.name, hu=None)
    return Peak(tissue=tissue.name, hu=float(at_hu[inside[np.argmax(prominence[inside])]]))


def peak_distance_hu(samples: tuple[Peak, ...], reference: tuple[Peak, ...]) -> float:
    """Mean distance in HU between the peaks of samples and of real scans.

    Over the peaks that the real scans have; one that the samples lack counts with the width of
    its range. Real scans without any peak have nothing to miss: 0.
    """
    distances = [
        _distance_hu(tissue, sample.hu, real.hu)
        for tissue, sample, real in zip(TISSUES, samples, reference, strict=True)
        if real.hu is not None
    ]
    return float(np.mean(distances)) if distances else 0.0


def _distance_hu(tissue: Tissue, sample_hu: float | None, real_hu: float) -> float:
    low, high = tissue.range_hu
    return high - low if sample_hu is None else abs(sample_hu - real_hu)
