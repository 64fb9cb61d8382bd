"""The trials of a study on disk: the configuration of each, and how it ended."""

from dataclasses import dataclass
from pathlib import Path

from ldm.config import TrialConfig
from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.study.evaluations import Evaluation, epoch_folder, read_evaluation
from orchestration.study.outcomes import OUTCOME_FILE, TrialOutcome, TrialState, read_outcome

TRIAL_FILE = "trial.json"
LOST = (
    "restore it, or remove the folder of that trial and run the command of the sweep again, which "
    "runs another one"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """The configuration of a trial. ``number`` counts the trials of a study from 1."""

    trial_id: str
    number: int
    name: str
    config: TrialConfig


class Ledger:
    """Reads and writes the records of all trials of a study.

    ``folder`` is the folder ``trials`` of the study. It contains a folder for each trial.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, trial_id: str, name: str, config: TrialConfig) -> TrialRecord:
        """Record a trial that starts, and return its record.

        A trial that starts again keeps its record, but is no longer marked as paused.
        """
        path = self.folder / trial_id / TRIAL_FILE
        if path.is_file():
            self._pause_mark(trial_id).unlink(missing_ok=True)
            return _read(path)
        number = max((one.number for one in self.records()), default=0) + 1
        record = TrialRecord(trial_id=trial_id, number=number, name=name, config=config)
        write_dataclass(path, record)
        return record

    def records(self) -> list[TrialRecord]:
        """Return the records of all trials that have started, by number.

        Raises InputError if a trial that has ended has no record, or a damaged one.
        """
        ended = (path.with_name(TRIAL_FILE) for path in self.folder.glob(f"*/{OUTCOME_FILE}"))
        paths = {*self.folder.glob(f"*/{TRIAL_FILE}"), *ended}
        found = [_read(path) for path in paths]
        return sorted(found, key=lambda record: record.number)

    def outcome(self, trial_id: str) -> TrialOutcome | None:
        """Return how a trial ended. None if it is running, paused or lost.

        Raises InputError if the file with its outcome is damaged.
        """
        return read_outcome(self.folder / trial_id)

    def evaluation(self, trial_id: str) -> Evaluation | None:
        """Return the scores that stand for a trial. None unless the trial is complete.

        They are those of its last epoch, or of an earlier one that is clearly better.

        Raises InputError for a complete trial whose scores are missing or damaged.
        """
        outcome = self.outcome(trial_id)
        if outcome is None or outcome.state is not TrialState.COMPLETE:
            return None
        folder = epoch_folder(self.folder / trial_id, outcome.told_epoch)
        return read_evaluation(folder, remedy=LOST)

    def pause(self, trial_id: str) -> None:
        """Mark a trial that a later sweep will resume. Does nothing if it has not started."""
        if self._pause_mark(trial_id).parent.is_dir():
            self._pause_mark(trial_id).touch()

    def is_paused(self, trial_id: str) -> bool:
        """Return whether the trial was paused because the sweep ran out of time."""
        return self._pause_mark(trial_id).is_file() and self.outcome(trial_id) is None

    def _pause_mark(self, trial_id: str) -> Path:
        return self.folder / trial_id / "paused"

    def n_ended(self) -> int:
        """Return the number of trials that have an outcome: complete, stopped or failed."""
        return sum(self.outcome(record.trial_id) is not None for record in self.records())


def _read(path: Path) -> TrialRecord:
    return read_dataclass(TrialRecord, path, remedy=LOST)
