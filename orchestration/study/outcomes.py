"""How a trial ended, as JSON in its folder: first its training, then the trial as a whole."""

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from ldm.errors import InputError
from ldm.files.dataclass_json import from_dict
from ldm.files.json_file import MADE_AGAIN, read_dataclass, read_object, write_dataclass

TRAINING_FILE, OUTCOME_FILE = "trained.json", "outcome.json"  # of a trial's folder


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """The end of a training, when its worker lets go of what it held.

    ``trivial_loss`` is what always predicting 0 would have cost in the last epoch; ``seconds`` are
    those of the last worker, ``waiting_s`` the part of them that it gave to evaluators.
    ``unscored`` are the folders of weights, in order, whose scores were not there yet.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """The end of a trial: how its training ended, and how long its scores took after that.

    The scores themselves are in one place, the folder of the last epoch: ``Ledger.evaluation``
    reads them. Other trials train already during the ``scoring_s``.
    """

    training: TrainingOutcome
    scoring_s: float

    @property
    def state(self) -> TrialState:
        """A trial ends as its training did."""
        return self.training.state

    @property
    def reason(self) -> str | None:
        """Why it failed; None for a complete trial."""
        return self.training.reason


def write_training(folder: Path, outcome: TrainingOutcome) -> None:
    """Write ``trained.json`` into a trial's folder."""
    write_dataclass(folder / TRAINING_FILE, outcome)


def read_training(folder: Path) -> TrainingOutcome | None:
    """How a trial's training ended, or None while it has not."""
    path = folder / TRAINING_FILE
    return read_dataclass(TrainingOutcome, path) if path.is_file() else None


def write_outcome(folder: Path, outcome: TrialOutcome) -> None:
    """Write ``outcome.json`` into a trial's folder."""
    write_dataclass(folder / OUTCOME_FILE, outcome)


def read_outcome(folder: Path) -> TrialOutcome | None:
    """The outcome of a trial, or None while it has none; also reads the first layout of the file.

    Raises InputError for a file that is damaged.
    """
    path = folder / OUTCOME_FILE
    if not path.is_file():
        return None
    values = read_object(path)
    try:
        return from_dict(TrialOutcome, values if "training" in values else _nested(values))
    except InputError as error:
        raise InputError(str(error), place=path, remedy=MADE_AGAIN) from error


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """The first layout of ``outcome.json``, in today's.

    It had the fields of the training at the top, and a copy of the evaluation.
    """
    names = {field.name for field in fields(TrainingOutcome)}
    training = {name: value for name, value in values.items() if name in names}
    beside = {name: value for name, value in values.items() if name not in names}
    beside.pop("evaluation", None)
    return {"training": {"unscored": []} | training} | beside
