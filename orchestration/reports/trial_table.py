"""Write ``trials.csv``, the table of trials as numbers."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from orchestration.study.comparison import optimal_trials
from orchestration.study.trial_rows import TrialRow


def trial_table(rows: Sequence[TrialRow]) -> pd.DataFrame:
    """Return a table with one row per trial: settings, losses, times and all scores.

    A column is NaN for a trial that has no value for it. Without trials, the table is empty.
    """
    optimal = optimal_trials(rows)
    return pd.DataFrame([_line(row, row.trial_id in optimal) for row in rows])


def _line(row: TrialRow, is_optimal: bool) -> dict[str, object]:
    line: dict[str, object] = {
        "trial_id": row.trial_id,
        "name": row.name,
        "pareto": is_optimal,
        "state": row.state,
        "learning_rate": row.learning_rate,
        "gamma": row.gamma,
        "milestones_epochs": " ".join(map(str, row.milestones_epochs)),
        "epochs": row.epochs,
        "input_size": row.input_size,
    }
    outcome = row.outcome
    if outcome is not None:
        line |= {
            "first_epoch_loss": outcome.training.first_epoch_loss,
            "loss": outcome.training.loss,
            "trivial_loss": outcome.training.trivial_loss,
            "seconds": round(outcome.training.seconds, 1),
            "waiting_s": round(outcome.training.waiting_s, 1),
            "scoring_s": round(outcome.scoring_s, 1),
            "reason": outcome.reason or "",
        }
    if row.evaluation is not None:
        line["scored_epoch"] = row.evaluation.epoch
        line["is_copying"] = row.evaluation.is_copying
        line |= row.evaluation.flat()
    return line


def write_trials_csv(folder: Path, rows: Sequence[TrialRow]) -> Path:
    """Write ``trials.csv`` into a study's folder, and return its path."""
    path = folder / "trials.csv"
    trial_table(rows).to_csv(path, index=False)
    return path
