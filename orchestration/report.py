"""The table of trials: both objectives, what they are measured against, and the Pareto front."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from ldm.config import InputSize
from ldm.stall import is_stalled, stall_warning
from orchestration.outcomes import OBJECTIVES, TrialOutcome, TrialState

HEADINGS = ("", "trial", "learning rate", "loss", "histogram", "Dice")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One trial as people compare it."""

    trial_id: str
    name: str
    learning_rate: float
    gamma: float
    milestones_epochs: tuple[int, ...]
    epochs: int
    input_size: InputSize
    outcome: TrialOutcome | None


def pareto_front(points: list[tuple[float, float]]) -> list[bool]:
    """Which of (distance, Dice) no other point beats: distance is minimized, Dice maximized."""
    return [
        not any(
            other[0] <= point[0] and other[1] >= point[1] and other != point for other in points
        )
        for point in points
    ]


def trial_table(rows: list[TrialRow]) -> pd.DataFrame:
    """One line a trial: both objectives with intervals, null, ceiling and untrained score."""
    complete = [
        row
        for row in rows
        if row.outcome and row.outcome.evaluation and not row.outcome.evaluation.is_copying
    ]
    points = [_objectives(row) for row in complete]
    optimal = {
        row.trial_id: is_optimal
        for row, is_optimal in zip(complete, pareto_front(points), strict=True)
    }
    return pd.DataFrame([_line(row, optimal.get(row.trial_id, False)) for row in rows])


def _objectives(row: TrialRow) -> tuple[float, float]:
    assert row.outcome is not None and row.outcome.evaluation is not None
    objectives = row.outcome.evaluation.objectives()
    return objectives["histogram_distance_hu"], objectives["totalsegmentator_dice"]


def _line(row: TrialRow, is_optimal: bool) -> dict[str, object]:
    line: dict[str, object] = {
        "trial_id": row.trial_id,
        "name": row.name,
        "pareto": is_optimal,
        "state": str(row.outcome.state) if row.outcome else "lost",
        "learning_rate": row.learning_rate,
        "gamma": row.gamma,
        "milestones_epochs": " ".join(map(str, row.milestones_epochs)),
        "epochs": row.epochs,
        "input_size": row.input_size,
    }
    outcome = row.outcome
    if outcome is not None:
        line |= {
            "first_epoch_loss": outcome.first_epoch_loss,
            "loss": outcome.loss,
            "trivial_loss": outcome.trivial_loss,
            "seconds": round(outcome.seconds, 1),
            "waiting_s": round(outcome.waiting_s, 1),
            "scoring_s": round(outcome.scoring_s, 1),
            "reason": outcome.reason or "",
        }
        if outcome.evaluation is not None:
            line["is_copying"] = outcome.evaluation.is_copying
            line |= outcome.evaluation.tracked()
    return line


def print_table(console: Console, rows: list[TrialRow]) -> None:
    """The trials of each input size under what they are measured against."""
    frame = trial_table(rows)
    cells = [
        _cells(row, bool(is_optimal)) for row, is_optimal in zip(rows, frame["pareto"], strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells, strict=True)]
    sizes = sorted({row.input_size for row in rows}, key=list(reversed(InputSize)).index)
    for size in sizes:  # `fit` first, which shows the model the whole crop
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for heading, width in zip(HEADINGS, widths, strict=True):
            table.add_column(heading, no_wrap=True, overflow="fold", min_width=width)
        for row, texts in zip(rows, cells, strict=True):
            if row.input_size == size:
                table.add_row(*texts, style="red" if _copies(row) else "bold" if texts[0] else None)
        console.print(f"Input size {size}", style="bold", highlight=False)
        console.print(table)
        for line in _measures([row for row in rows if row.input_size == size]):
            console.print(f"   {line}", highlight=False, soft_wrap=True)
    for row in rows:
        if _copies(row):
            console.print(
                f"{row.name} {_copies(row)}", style="red", highlight=False, soft_wrap=True
            )
    for line in _legend(rows):
        console.print(line, highlight=False, soft_wrap=True)
    if len(sizes) > 1:
        console.print("Another input size is another question: compare with what real scans score.")


def _cells(row: TrialRow, is_optimal: bool) -> list[str]:
    milestones = ", ".join(map(str, row.milestones_epochs))
    schedule = f"{row.learning_rate:.2g} x{row.gamma:.2g} at {milestones}/{row.epochs}"
    cells = ["*" if is_optimal else "", row.name, schedule]
    outcome = row.outcome
    if outcome is None or outcome.evaluation is None:
        return [*cells, "", "lost" if outcome is None else "failed", ""]
    distance = outcome.evaluation.scores["histogram_distance_hu"].score
    dice = outcome.evaluation.scores["totalsegmentator_dice"].score
    return [
        *cells,
        f"{outcome.first_epoch_loss:.2f}>{outcome.loss:.2f}",
        f"{distance.value:.1f} ±{(distance.high - distance.low) / 2:.1f}",
        f"{dice.value:.2f} ±{(dice.high - dice.low) / 2:.2f}",
    ]


def _copies(row: TrialRow) -> str:
    """Which samples of a trial are copies, or nothing."""
    evaluation = row.outcome.evaluation if row.outcome else None
    return evaluation.copying.warning() if evaluation and evaluation.copying else ""


def _measures(rows: list[TrialRow]) -> list[str]:
    """What real scans and the untrained model score at an input size."""
    evaluations = [row.outcome.evaluation for row in rows if row.outcome and row.outcome.evaluation]
    if not evaluations:
        return ["no trial has scores"]
    one = evaluations[-1]
    distance, dice = (one.scores[name] for name in OBJECTIVES)
    untrained = [one.untrained[name].score for name in OBJECTIVES]
    assert distance.nonsense is not None and dice.nonsense is not None
    lines = [
        f"{what}: {first.value:.1f} HU, Dice {second.value:.2f}"
        for what, (first, second) in (
            ("real scans", (distance.real, dice.real)),
            ("smooth noise", (distance.nonsense, dice.nonsense)),
            ("untrained", untrained),
        )
    ]
    told = [f"{'; '.join(lines)} (n = {distance.score.n})"]
    if not dice.can_tell:
        told.append(
            "Dice is no objective here: TotalSegmentator scores real scans "
            f"({dice.real.low:.2f} to {dice.real.high:.2f}) and smooth noise "
            f"({dice.nonsense.low:.2f} to {dice.nonsense.high:.2f}) alike"
        )
    return told


def _legend(rows: list[TrialRow]) -> list[str]:
    failures = [
        f"{row.name} failed: {row.outcome.reason}"
        for row in rows
        if row.outcome and row.outcome.state is TrialState.FAILED
    ]
    stalled = [
        f"{row.name} {stall_warning(*losses)}"
        for row in rows
        if row.outcome and (losses := _last_losses(row.outcome)) and is_stalled(*losses)
    ]
    return [
        *failures,
        *stalled,
        "* Pareto-optimal: no other trial is as good in both. ±: half of the 95 % interval.",
        "Learning rate: the first, its factor at each milestone/epochs. Loss: first > last.",
        "Histogram distance in HU, lower is better; Dice of TotalSegmentator, higher is better.",
    ]


def _last_losses(outcome: TrialOutcome) -> tuple[float, float] | None:
    """The loss of the last epoch and what always predicting 0 cost in it; None if not known."""
    if outcome.loss is None or outcome.trivial_loss is None:
        return None
    return outcome.loss, outcome.trivial_loss


def write_table(folder: Path, rows: list[TrialRow]) -> Path:
    """The table as ``trials.csv``."""
    path = folder / "trials.csv"
    trial_table(rows).to_csv(path, index=False)
    return path


def n_unfinished(rows: list[TrialRow]) -> int:
    """Trials that failed or were lost."""
    return sum(row.outcome is None or row.outcome.state is TrialState.FAILED for row in rows)
