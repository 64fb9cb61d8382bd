"""Draw the histograms of real and synthetic volumes in one figure, with named peaks.

The study shows such figures as its Figures 8, 9, 10, 18 and 27. This one works for every crop.
"""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from evaluation.histograms.histogram import CENTERS_HU, Histograms
from evaluation.histograms.metrics import body_histograms_of, grid_histograms_of
from evaluation.histograms.peaks import Peak, find_tissue_peaks
from evaluation.metric import Observations
from evaluation.panels import REAL, SYNTHETIC, save_figure, write_title

BAND = (10, 90)  # percentiles over volumes


def write_histogram_picture(
    path: Path,
    *,
    real: Observations,
    synthetic: Observations,
    title: str,
    notice: str = "",
    real_name: str = "real",
) -> None:
    """Write a figure with two histograms: the whole grid, as in the study, and inside the body.

    Each shows the average of the real and of the synthetic volumes, a band from the 10th to the
    90th percentile over volumes, and the named peaks. ``notice`` stands above the title, and
    ``real_name`` in the legend, for real volumes that are phantoms.
    """
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
    write_title(figure, title, notice=notice)
    for take, axis, what in (
        (grid_histograms_of, axes[0], "whole grid"),
        (body_histograms_of, axes[1], "inside the body"),
    ):
        top = max(_top(take(real)), _top(take(synthetic)))
        for volumes, color, name in ((real, REAL, real_name), (synthetic, SYNTHETIC, "synthetic")):
            _draw(axis, take(volumes), color, f"{name}, n = {len(volumes)}")
            _mark(axis, _shown_peaks(volumes, what), take(volumes).mean(axis=0), color, top)
        axis.set_ylim(0, top)
        axis.set_xlabel("intensity (HU)")
        axis.set_ylabel("share of voxels in 10 HU")
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        axis.set_title(what, fontsize=10)
        axis.legend(frameon=False, fontsize=9)
    save_figure(figure, path)


def _draw(axis: Axes, histograms: Histograms, color: str, label: str) -> None:
    low, high = np.percentile(histograms, BAND, axis=0)
    axis.fill_between(CENTERS_HU, low, high, color=color, alpha=0.2, linewidth=0)
    axis.plot(CENTERS_HU, histograms.mean(axis=0), color=color, label=label)


def _top(histograms: Histograms) -> float:
    """Return the upper end of the axis, chosen so that all bins but air fit.

    The bin of air alone may hold half of all voxels.
    """
    tissue = histograms[:, CENTERS_HU > -900]
    return 1.35 * max(1e-3, float(np.percentile(tissue, BAND[1], axis=0).max()))


def _shown_peaks(volumes: Observations, what: str) -> list[Peak]:
    """Return the peaks to mark: air on the whole grid, and all tissues inside the body."""
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
        # Side by side, so that the labels of equal peaks do not overlap. Air is at the left edge.
        is_air = peak.tissue == "air"
        axis.annotate(
            f"{peak.tissue} {peak.hu:.0f}",
            (peak.hu, height),
            xytext=(6, 2 if is_real else -11) if is_air else (-6 if is_real else 6, 3),
            textcoords="offset points",
            ha="right" if is_real and not is_air else "left",
            color=color,
            fontsize=8,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )
