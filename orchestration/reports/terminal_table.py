"""Print the table of trials on a terminal: both objectives, and the scores to compare with."""

from collections.abc import Sequence

from rich.console import Console

from evaluation.score import MIN_VOLUMES, Score
from orchestration.study.comparison import (
    ACROSS_SIZES,
    Anchor,
    anchors_of,
    last_scores,
    objective_notes,
    optimal_trials,
    sizes_of,
)
from orchestration.study.evaluations import DICE, DISTANCE
from orchestration.study.trial_rows import TrialRow

HEADINGS = ("  trial", "learning rate", "loss", "histogram", "Dice")
LEGEND = (
    "*: Pareto-optimal among the trials of its input size. ±: half of the 95 % interval, ± ? if it "
    f"is unknown (fewer than {MIN_VOLUMES} volumes).",
    "Learning rate: initial value x factor at milestones/epochs. Loss: first epoch > last epoch.",
    "Histogram distance in HU, lower is better. Dice of TotalSegmentator, higher is better.",
)


def print_table(console: Console, rows: Sequence[TrialRow]) -> None:
    """Print one table per input size, then warnings, failures and a legend.

    ``rows`` are all trials of the study.
    """
    optimal = optimal_trials(rows)
    cells = {row.trial_id: _cells(row, row.trial_id in optimal) for row in rows}
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells.values(), strict=True)]
    sizes = sizes_of(rows)
    for size in sizes:
        of_size = [row for row in rows if row.input_size == size]
        _say(console, f"Input size {size}", style="bold")
        _say(console, "  ".join(map(str.ljust, HEADINGS, widths)).rstrip(), style="bold")
        for row in of_size:
            line = "  ".join(map(str.ljust, cells[row.trial_id], widths)).rstrip()
            _say(console, line, style=_style(row, row.trial_id in optimal))
        for line in _measures(of_size):
            _say(console, f"   {line}")
    for row in rows:
        if row.copy_warning:
            _say(console, f"trial {row.label} {row.copy_warning}", style="red")
    for line in (*_notes(rows), *LEGEND):
        _say(console, line)
    if len(sizes) > 1:
        _say(console, ACROSS_SIZES)


def _say(console: Console, text: str, *, style: str | None = None) -> None:
    """Print one line unchanged.

    A narrow terminal wraps it, so no digit is cut off. Brackets in names are not read as markup.
    """
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _style(row: TrialRow, is_optimal: bool) -> str | None:
    if row.copy_warning:
        return "red"
    return "bold" if is_optimal else None


def _cells(row: TrialRow, is_optimal: bool) -> list[str]:
    cells = [f"{'*' if is_optimal else ' '} {row.label}", row.schedule]
    if row.evaluation is None:
        return [*cells, row.losses, row.state, ""]
    distance = row.evaluation.scores[DISTANCE].score
    dice = row.evaluation.scores[DICE].score
    return [
        *(*cells, row.losses),
        f"{distance.value:.1f} {_half(distance, digits=1)}",
        f"{dice.value:.2f} {_half(dice, digits=2)}",
    ]


def _half(score: Score, *, digits: int) -> str:
    """Return half of the interval, or a question mark for it if the interval is unknown."""
    return f"±{(score.high - score.low) / 2:.{digits}f}" if score.has_interval else "± ?"


def _measures(rows: Sequence[TrialRow]) -> list[str]:
    """Return the lines below a table: the scores of real scans, noise and the untrained model."""
    if last_scores(rows) is None:
        return ["no trial has scores"]
    return ["; ".join(map(_anchor, anchors_of(rows))), *objective_notes(rows)]


def _anchor(one: Anchor) -> str:
    """Return both scores, and the n of each if they differ."""
    distance, dice = f"{one.distance_hu.value:.1f} HU", f"Dice {one.dice.value:.2f}"
    if one.distance_hu.n != one.dice.n:
        distance += f" (n = {one.distance_hu.n})"
    return f"{one.name}: {distance}, {dice} (n = {one.dice.n})"


def _notes(rows: Sequence[TrialRow]) -> list[str]:
    failures = [f"trial {row.label} {row.failure}" for row in rows if row.failure]
    stalled = [f"trial {row.label} {row.standstill}" for row in rows if row.standstill]
    epochs = [f"trial {row.label} {row.epoch_note}" for row in rows if row.epoch_note]
    stops = [f"trial {row.label} {row.stop}" for row in rows if row.stop]
    return [*failures, *stops, *stalled, *epochs]
