"""Find the named peaks of an abdominal HU histogram: air, lung, fat and soft tissue."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from evaluation.histograms.histogram import BIN_HU, CENTERS_HU, Histograms

SMOOTHING_HU = 10.0  # standard deviation of a Gaussian, so that noise is not taken for a peak
MAX_PLATEAU_BINS = 5  # a wider plateau is a flat histogram, not a peak
MIN_PROMINENCE = 0.0005  # how far a peak must rise above its surroundings, as a share of voxels


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """A tissue whose peak is searched in a histogram.

    Air has -1000 HU and water has 0 HU by definition. Without contrast agent, fat lies near -100,
    muscle near 50 and other soft tissue between 30 and 60 HU. The HU of lung depend on how far it
    is inflated.

    Attributes
    ----------
    name
        Name of the tissue.
    expected_hu
        Where physics puts the peak.
    range_hu
        The interval in which the peak is searched: lower end included, upper end excluded.
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
    """The peak of a tissue in one histogram; ``hu`` is None if there is no peak."""

    tissue: str
    hu: float | None


def find_tissue_peaks(body: Histograms, grid: Histograms) -> tuple[Peak, ...]:
    """Return the most prominent peak in the range of each tissue, in the order of ``TISSUES``.

    Air lies around the body, so its peak is searched in the histogram of the whole grid. The other
    peaks are searched inside the body, where voxels that mix skin and air do not hide them.

    Parameters
    ----------
    body, grid
        Histogram inside the body and over the whole grid, each of shape (200,).
    """
    of_body, of_grid = _peaks(body), _peaks(grid)
    return tuple(
        _most_prominent(tissue, *(of_grid if tissue.name == "air" else of_body))
        for tissue in TISSUES
    )


def _peaks(histogram: Histograms) -> tuple[Histograms, Histograms]:
    """Return the position of every peak in HU, and the prominence of every peak."""
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
    """Return the mean distance between the peaks of samples and those of real scans, in HU.

    The mean is over the peaks that the real scans have. A peak that the samples lack counts as the
    width of its search range. If the real scans have no peak at all, the distance is 0.
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
