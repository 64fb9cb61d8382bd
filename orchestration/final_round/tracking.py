"""What MLflow is told of finalists: in the runs of their trials, by way of the study's outbox."""

from pathlib import Path

from rich.console import Console

from ldm.errors import InputError
from ldm.files.json_file import read_dataclass
from orchestration.final_round.scores import Finalist, FinalistScore
from orchestration.study.outbox import SWEEP, Kind, Outbox
from orchestration.tracking.sweep import CLOSE_TRACKING_S
from orchestration.tracking.tracking import Tracker, TrackingTarget


def tell_mlflow(
    folder: Path, table: Path, scored: list[tuple[Finalist, FinalistScore]], console: Console
) -> None:
    """Log each finalist's scores to its trial's run and the table to the sweep's, once.

    The outbox has one writer: while a sweep runs, or when it was killed, nothing is told.
    """
    if not has_ended(folder):
        console.print(
            "MLflow is not told yet: the sweep runs or was killed. When it has ended, give this "
            "command again; nothing is scored twice.",
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
    if n_waiting:
        console.print(
            f"MLflow did not take {n_waiting} records ({tracker.last_error}). They are kept; send "
            f"them with\n  pancreatune sync {folder}",
            highlight=False,
            soft_wrap=True,
        )


def has_ended(folder: Path) -> bool:
    """Whether the last thing that a study's sweep said of itself is that it has ended."""
    said = [one.kind for one in Outbox(folder).records() if one.run == SWEEP]
    about_itself = [kind for kind in said if kind in (Kind.START, Kind.TAGS, Kind.END)]
    return bool(about_itself) and about_itself[-1] is Kind.END


def read_target(folder: Path) -> TrackingTarget:
    """Where the sweep of a study sent its records; raises InputError where it did not say."""
    path = folder / "tracking.json"
    if not path.is_file():
        raise InputError(f"{path} is missing: give the --storage of a sweep that has tracked")
    return read_dataclass(TrackingTarget, path)
