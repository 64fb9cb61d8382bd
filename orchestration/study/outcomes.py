"""Store how a trial ended in its folder: first its training, then the whole trial."""

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from ldm.errors import InputError
from ldm.files.dataclass_json import from_dict
from ldm.files.json_file import NOT_MADE_AGAIN, read_dataclass, read_object, write_dataclass

TRAINING_FILE, OUTCOME_FILE = "trained.json", "outcome.json"  # in the folder of a trial


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    STOPPED = "stopped"  # early, because others were clearly better


class Cause(StrEnum):
    """Why the training of a trial failed or was stopped early."""

    NON_FINITE = "non-finite loss"
    OUT_OF_MEMORY = "out of memory"
    CHECKPOINTS = "no readable checkpoint"
    NOT_LEARNING = "not learning"
    CLEARLY_WORSE = "clearly worse"

    @property
    def is_setting(self) -> bool:
        """Return whether the setting itself is the cause. The search then avoids similar ones."""
        return self in (Cause.NON_FINITE, Cause.OUT_OF_MEMORY, Cause.NOT_LEARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyEnd:
    """Why the training of a trial ended early: the cause, and a sentence about it."""

    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """How the training of a trial ended.

    Attributes
    ----------
    state
        Whether the training is complete, failed, or was stopped early.
    epoch
        Epochs that were trained.
    first_epoch_loss, loss
        Mean loss of the first and of the last epoch. None if there was no epoch.
    trivial_loss
        Loss of predicting zero everywhere in the last epoch. None if unknown.
    seconds
        Duration of the last worker. Earlier workers, before a pause or crash, are not included.
    waiting_s
        The part of ``seconds`` that the worker spent on calls to the evaluator.
    unscored
        Names of the epoch folders without scores when the training ended, in order.
    reason
        Why the training failed or was stopped. None if it is complete.
    cause
        The cause of that. None if it is complete, and in files of earlier versions.
    """

    state: TrialState
    epoch: int
    first_epoch_loss: float | None
    loss: float | None
    trivial_loss: float | None
    seconds: float
    waiting_s: float
    unscored: tuple[str, ...]
    reason: str | None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """How a trial ended.

    Attributes
    ----------
    training
        How the training ended.
    scoring_s
        Seconds from the end of the training to the last score. Other trials train meanwhile.
    best_epoch
        The evaluated epoch that stands for the trial (see ``best_epoch.best_evaluation``). None if
        the trial failed, and in files of earlier versions.
    """

    training: TrainingOutcome
    scoring_s: float
    best_epoch: int | None = None

    @property
    def told_epoch(self) -> int:
        """Return the epoch whose scores stand for a complete trial.

        In files of earlier versions, this is the last one.
        """
        return self.training.epoch if self.best_epoch is None else self.best_epoch

    @property
    def state(self) -> TrialState:
        """Return the state of the training, which is that of the trial."""
        return self.training.state

    @property
    def reason(self) -> str | None:
        """Return why the trial failed or was stopped. None if it is complete."""
        return self.training.reason


def write_training(folder: Path, outcome: TrainingOutcome) -> None:
    """Write ``trained.json`` into a trial's folder."""
    write_dataclass(folder / TRAINING_FILE, outcome)


def read_training(folder: Path) -> TrainingOutcome | None:
    """Read how a trial's training ended. Returns None if it has not ended.

    ``folder`` is the folder of the trial. Raises InputError if the file is damaged.
    """
    path = folder / TRAINING_FILE
    if not path.is_file():
        return None
    return read_dataclass(TrainingOutcome, path, remedy=NOT_MADE_AGAIN)


def write_outcome(folder: Path, outcome: TrialOutcome) -> None:
    """Write ``outcome.json`` into a trial's folder."""
    write_dataclass(folder / OUTCOME_FILE, outcome)


def read_outcome(folder: Path) -> TrialOutcome | None:
    """Read the outcome of a trial, or return None if it has none.

    ``folder`` is the folder of the trial. Files in the layout of the first version are read too.
    Raises InputError if the file is damaged.
    """
    path = folder / OUTCOME_FILE
    if not path.is_file():
        return None
    values = read_object(path, remedy=NOT_MADE_AGAIN)
    try:
        return from_dict(TrialOutcome, values if "training" in values else _nested(values))
    except InputError as error:
        raise InputError(str(error), place=path, remedy=NOT_MADE_AGAIN) from error


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the first layout of ``outcome.json`` in the current layout.

    The first layout had the fields of the training at the top level, and a copy of the evaluation.
    """
    names = {field.name for field in fields(TrainingOutcome)}
    training = {name: value for name, value in values.items() if name in names}
    beside = {name: value for name, value in values.items() if name not in names}
    beside.pop("evaluation", None)
    return {"training": {"unscored": []} | training} | beside
