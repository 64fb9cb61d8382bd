"""The table of trials on a terminal: both objectives, and what they are measured against."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from evaluation.score import Score
from orchestration.comparison import (
    ACROSS_SIZES,
    anchors_of,
    dropped_dice,
    last_scores,
    optimal_trials,
    sizes_of,
)
from orchestration.trial_rows import TrialRow

HEADINGS = ("", "trial", "learning rate", "loss", "histogram", "Dice")
LEGEND = (
    "* Pareto-optimal: no other of its input size is as good in both. ±: half the 95 % interval.",
    "Learning rate: the first, its factor at each milestone/epochs. Loss: first > last.",
    "Histogram distance in HU, lower is better; Dice of TotalSegmentator, higher is better.",
)


def print_table(console: Console, rows: Sequence[TrialRow]) -> None:
    """The trials of each input size under what they are measured against."""
    optimal = optimal_trials(rows)
    cells = {row.trial_id: _cells(row, row.trial_id in optimal) for row in rows}
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells.values(), strict=True)]
    sizes = sizes_of(rows)
    for size in sizes:
        of_size = [row for row in rows if row.input_size == size]
        console.print(f"Input size {size}", style="bold", highlight=False)
        console.print(_table(of_size, cells, widths))
        for line in _measures(of_size):
            console.print(f"   {line}", highlight=False, soft_wrap=True)
    for row in rows:
        if row.copy_warning:
            console.print(
                f"trial {row.label} {row.copy_warning}",
                style="red",
                highlight=False,
                soft_wrap=True,
            )
    for line in (*_notes(rows), *LEGEND):
        console.print(line, highlight=False, soft_wrap=True)
    if len(sizes) > 1:
        console.print(ACROSS_SIZES)


def _table(rows: Sequence[TrialRow], cells: dict[str, list[str]], widths: Sequence[int]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading, width in zip(HEADINGS, widths, strict=True):
        table.add_column(heading, no_wrap=True, overflow="fold", min_width=width)
    for row in rows:
        texts = cells[row.trial_id]
        table.add_row(*texts, style="red" if row.copy_warning else "bold" if texts[0] else None)
    return table


def _cells(row: TrialRow, is_optimal: bool) -> list[str]:
    cells = ["*" if is_optimal else "", row.label, row.schedule]
    if row.evaluation is None:
        return [*cells, "", row.state, ""]
    distance = row.evaluation.scores["histogram_distance_hu"].score
    dice = row.evaluation.scores["totalsegmentator_dice"].score
    return [
        *(*cells, row.losses),
        f"{distance.value:.1f} ±{_half(distance):.1f}",
        f"{dice.value:.2f} ±{_half(dice):.2f}",
    ]


def _half(score: Score) -> float:
    return (score.high - score.low) / 2


def _measures(rows: Sequence[TrialRow]) -> list[str]:
    """What real scans and the untrained model score at an input size."""
    scored = last_scores(rows)
    if scored is None:
        return ["no trial has scores"]
    lines = [
        f"{one.name}: {one.distance_hu.value:.1f} HU, Dice {one.dice.value:.2f}"
        for one in anchors_of(rows)
    ]
    n = scored.scores["histogram_distance_hu"].score.n
    dropped = dropped_dice(rows)
    return [f"{'; '.join(lines)} (n = {n})", *([dropped] if dropped else [])]


def _notes(rows: Sequence[TrialRow]) -> list[str]:
    failures = [f"trial {row.label} {row.failure}" for row in rows if row.failure]
    stalled = [f"trial {row.label} {row.standstill}" for row in rows if row.standstill]
    return [*failures, *stalled]
