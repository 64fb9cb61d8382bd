"""Draw the trials of one input size by their two objectives, as SVG for light and dark pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from evaluation.panels import REAL, SYNTHETIC
from evaluation.score import Score
from orchestration.study.comparison import anchors_of, optimal_trials
from orchestration.study.evaluations import DISTANCE, OBJECTIVES
from orchestration.study.trial_rows import TrialRow

# If the longest distance is more than this many times the shortest one, the axis is logarithmic.
LOG_RATIO = 8.0
MARKERS = {"real scans": "s", "smooth noise": "v", "untrained": "D"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colors of a figure.

    Attributes
    ----------
    ink
        Text and axes.
    faint
        Grid lines, smooth noise and the untrained model.
    real
        Real scans.
    trial
        Trials.
    copy
        Trials that copy training scans.
    """

    ink: str
    faint: str
    real: str
    trial: str
    copy: str


LIGHT = Theme(ink="#1d232b", faint="#6b7480", real=REAL, trial=SYNTHETIC, copy="#b00020")
DARK = Theme(ink="#e6e9ee", faint="#9aa4b1", real="#6cb6ee", trial="#f08a97", copy="#ff6b6b")


def objectives_svg(rows: Sequence[TrialRow], theme: Theme) -> bytes:
    """Draw the trials of one input size, and return the figure as SVG.

    Each trial is a point with its number and the 95 % intervals of both objectives. A line connects
    the trials on the Pareto front. Real scans, smooth noise and the untrained model are points to
    compare with. The background is transparent. At least one row must have scores.
    """
    with mpl.rc_context({"svg.hashsalt": "pancreatune", "font.size": 10}):
        figure = Figure(figsize=(8.2, 4.8), layout="constrained")
        axis = figure.subplots()
        _draw_anchors(axis, rows, theme)
        _draw_trials(axis, rows, theme)
        if is_logarithmic(_distances_hu(rows)):
            _set_logarithmic(axis)
        _dress(axis, theme)
        handles, labels = axis.get_legend_handles_labels()
        named = dict(zip(labels, handles, strict=True))  # one legend entry per kind of trial
        figure.legend(
            named.values(),
            named.keys(),
            loc="outside lower center",
            ncols=3,
            frameon=False,
            labelcolor=theme.ink,
        )
        buffer = BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _draw_anchors(axis: Axes, rows: Sequence[TrialRow], theme: Theme) -> None:
    for anchor in anchors_of(rows):
        color = theme.real if anchor.name == "real scans" else theme.faint
        _cross(axis, anchor.distance_hu, anchor.dice, color)
        point = anchor.distance_hu.value, anchor.dice.value
        axis.plot(*point, MARKERS[anchor.name], color=color, label=anchor.name)


def _draw_trials(axis: Axes, rows: Sequence[TrialRow], theme: Theme) -> None:
    optimal, front = optimal_trials(rows), []
    for row in rows:
        if row.evaluation is None:
            continue
        distance, dice = (row.evaluation.scores[name].score for name in OBJECTIVES)
        _draw_trial(axis, row, (distance, dice), row.trial_id in optimal, theme)
        if row.trial_id in optimal:
            front.append((distance.value, dice.value))
    if len(front) > 1:
        axis.plot(*zip(*sorted(front), strict=True), color=theme.trial, linewidth=1, zorder=1)


def _draw_trial(
    axis: Axes, row: TrialRow, scores: tuple[Score, Score], is_optimal: bool, theme: Theme
) -> None:
    color = theme.copy if row.is_copying else theme.trial
    point = scores[0].value, scores[1].value
    _cross(axis, *scores, color)
    axis.plot(
        *point,
        "X" if row.is_copying else "o",
        color=color,
        markersize=8,
        markerfacecolor=color if row.is_copying or is_optimal else "none",
        label=_kind(row, is_optimal),
    )
    axis.annotate(
        str(row.number),
        point,
        xytext=(6, 6),
        textcoords="offset points",
        color=color,
        fontweight="bold",
    )


def _kind(row: TrialRow, is_optimal: bool) -> str:
    """Return the name of this kind of trial in the legend."""
    if row.is_copying:
        return "copies training scans"
    return "trial on the Pareto front" if is_optimal else "other trial"


def _cross(axis: Axes, distance: Score, dice: Score, color: str) -> None:
    """Draw the 95 % intervals of both scores.

    They are drawn from end to end and not as error bars, because in files of earlier versions
    a value may lie outside its interval. An interval of too few volumes is not drawn.
    """
    for score, across, up in (
        (distance, (distance.low, distance.high), (dice.value, dice.value)),
        (dice, (distance.value, distance.value), (dice.low, dice.high)),
    ):
        if score.has_interval:
            axis.plot(across, up, color=color, linewidth=1.2, alpha=0.7, zorder=1)


def _distances_hu(rows: Sequence[TrialRow]) -> list[float]:
    """Return the values and interval ends of all histogram distances in the figure."""
    scores = [anchor.distance_hu for anchor in anchors_of(rows)]
    scores += [row.evaluation.scores[DISTANCE].score for row in rows if row.evaluation]
    return [end for one in scores for end in (one.low, one.value, one.high)]


def is_logarithmic(distances_hu: Sequence[float]) -> bool:
    """Return True if the axis of these distances should be logarithmic.

    This is so if the distances span more than a factor of ``LOG_RATIO``, so that points would
    overlap on a linear axis, and all of them are above 0. There must be at least one distance.
    """
    low, high = min(distances_hu), max(distances_hu)
    return low > 0 and high > LOG_RATIO * low


def _set_logarithmic(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _dress(axis: Axes, theme: Theme) -> None:
    axis.set_ylim(-0.04, 1.04)
    axis.set_xlabel("histogram distance (HU), lower is better", color=theme.ink)
    axis.set_ylabel("TotalSegmentator Dice, higher is better", color=theme.ink)
    axis.tick_params(which="both", colors=theme.ink)
    axis.grid(color=theme.faint, alpha=0.25, linewidth=0.6)
    for side, spine in axis.spines.items():
        spine.set_color(theme.faint)
        spine.set_visible(side in ("left", "bottom"))
