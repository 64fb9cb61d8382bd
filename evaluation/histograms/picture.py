"""Histograms of real and synthetic volumes in one picture, peaks marked and named.

What the study shows as its Figures 8, 9, 10, 18 and 27, for whichever crop.
"""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from evaluation.histograms.histogram import CENTERS_HU, Histograms
from evaluation.histograms.metrics import body_histograms_of, grid_histograms_of
from evaluation.histograms.peaks import Peak, find_tissue_peaks
from evaluation.metric import Observations
from evaluation.panels import REAL, SYNTHETIC, save_figure

BAND = (10, 90)  # percentiles over scans


def write_histogram_picture(
    path: Path, *, real: Observations, synthetic: Observations, title: str
) -> None:
    """The whole grid, as the study drew it, and the body alone; averages, and bands over scans."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    for take, axis, what in (
        (grid_histograms_of, axes[0], "whole grid"),
        (body_histograms_of, axes[1], "inside the body"),
    ):
        top = max(_top(take(real)), _top(take(synthetic)))
        for volumes, color, name in ((real, REAL, "real"), (synthetic, SYNTHETIC, "synthetic")):
            _draw(axis, take(volumes), color, f"{name}, n = {len(volumes)}")
            _mark(axis, _shown_peaks(volumes, what), take(volumes).mean(axis=0), color, top)
        axis.set_ylim(0, top)
        axis.set_xlabel("intensity (HU)")
        axis.set_ylabel("share of voxels in 10 HU")
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.set_title(what, fontsize=10)
        axis.legend(frameon=False, fontsize=9)
    save_figure(figure, path)


def _draw(axis: Axes, histograms: Histograms, color: str, label: str) -> None:
    low, high = np.percentile(histograms, BAND, axis=0)
    axis.fill_between(CENTERS_HU, low, high, color=color, alpha=0.2, linewidth=0)
    axis.plot(CENTERS_HU, histograms.mean(axis=0), color=color, label=label)


def _top(histograms: Histograms) -> float:
    """Room for all but air, whose bin alone may hold half of the grid."""
    tissue = histograms[:, CENTERS_HU > -900]
    return 1.35 * max(1e-3, float(np.percentile(tissue, BAND[1], axis=0).max()))


def _shown_peaks(volumes: Observations, what: str) -> list[Peak]:
    """Air on the whole grid, tissue inside the body."""
    peaks = find_tissue_peaks(
        body_histograms_of(volumes).mean(axis=0), grid_histograms_of(volumes).mean(axis=0)
    )
    return [peak for peak in peaks if (peak.tissue == "air") == (what == "whole grid")]


def _mark(axis: Axes, peaks: list[Peak], average: Histograms, color: str, top: float) -> None:
    for peak in peaks:
        if peak.hu is None:
            continue
        height = min(float(np.interp(peak.hu, CENTERS_HU, average)), 0.97 * top)
        is_real = color == REAL
        axis.plot([peak.hu], [height], marker="v" if is_real else "^", color=color)
        axis.annotate(
            f"{peak.tissue} {peak.hu:.0f}",
            (peak.hu, height),
            xytext=(4, 8 if is_real else -14),
            textcoords="offset points",
            color=color,
            fontsize=8,
        )
