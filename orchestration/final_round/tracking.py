"""Log the scores of finalists to the MLflow runs of their trials, through the study's outbox."""

from pathlib import Path

from rich.console import Console

from orchestration.final_round.scores import Finalist, FinalistScore
from orchestration.study.outbox import SWEEP, Outbox, RecordKind
from orchestration.tracking.relocation import read_target
from orchestration.tracking.sweep import CLOSE_TRACKING_S, print_notes
from orchestration.tracking.tracking import Tracker


def tell_mlflow(
    folder: Path, table: Path, scored: list[tuple[Finalist, FinalistScore]], console: Console
) -> None:
    """Log each finalist's scores to the run of its trial, and the table to the run of the sweep.

    ``folder`` is the folder of the study, and ``table`` the file ``finalists.csv``. Nothing is
    logged twice. Nothing is logged at all while the sweep is running or after it was killed,
    because only one process may write to the outbox. The console then says what to do.
    """
    if not has_ended(folder):
        console.print(
            "The scores were not logged to MLflow, because the sweep is still running or was "
            "killed. Run this command again after the sweep has ended. Nothing is scored twice.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
        return
    tracker = Tracker(folder, read_target(folder))
    for finalist, score in scored:
        tracker.log_metrics(finalist.record.trial_id, score.epoch, score.flat())
    tracker.log_artifacts(SWEEP, [table], to="finalists", step=len(scored))
    n_waiting = tracker.close(CLOSE_TRACKING_S)
    print_notes(tracker, console)
    if n_waiting:
        console.print(
            f"{n_waiting} records could not be sent to MLflow ({tracker.last_error}). They are "
            f"kept. To send them later, run\n  pancreatune sync {folder}",
            highlight=False,
            soft_wrap=True,
        )


def has_ended(folder: Path) -> bool:
    """Return True if the sweep of a study has ended and was not started again.

    This is read from the outbox: each start of the sweep adds a record of its tags, its end adds a
    record too, and the record of the end must be the later one.
    """
    said = [one.kind for one in Outbox(folder).records() if one.run == SWEEP]
    about_itself = [
        kind for kind in said if kind in (RecordKind.START, RecordKind.TAGS, RecordKind.END)
    ]
    return bool(about_itself) and about_itself[-1] is RecordKind.END
