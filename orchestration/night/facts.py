"""Find out what a night changed in a study, by comparing its ledger before and after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.score import Score
from ldm.config import InputSize
from orchestration.scoring.rescoring import Rescored
from orchestration.study.comparison import last_scores, sizes_of
from orchestration.study.evaluations import OBJECTIVES
from orchestration.study.ledger import Ledger
from orchestration.study.outbox import Outbox
from orchestration.study.outcomes import TrialState
from orchestration.study.trial_rows import TrialRow, trial_rows

ENDED = tuple(map(str, TrialState))


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The trial with the best score of one objective among the trials of one input size.

    ``label`` is the number and name of the trial.
    """

    input_size: InputSize
    objective: str
    trial_id: str
    label: str
    score: Score

    def beats(self, other: "Best") -> bool:
        """Return True if this score is better than the other one."""
        better, worse = self.score.value, other.score.value
        return better < worse if OBJECTIVES[self.objective] == "min" else better > worse

    def is_apart_from(self, other: "Best") -> bool:
        """Return True if both scores have an interval and these do not overlap."""
        if not (self.score.has_interval and other.score.has_interval):
            return False
        return self.score.low > other.score.high or self.score.high < other.score.low


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialNote:
    """A trial that a night started or continued.

    ``label`` is its number and name, and ``state`` its state after the night. ``reason`` says why
    it failed. It is empty unless the trial failed.
    """

    trial_id: str
    label: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyNight:
    """What a night did in one study.

    Attributes
    ----------
    study
        Name of the study.
    message
        Why the sweep did not finish. Empty if it did, even if trials failed.
    n_trials
        Number of all trials of the study.
    trials
        The trials that the night started or continued.
    best
        The best trial for each input size and objective.
    rescored
        An earlier trial that was scored again, or None.
    n_unsent
        Number of records that were not yet sent to MLflow.
    """

    study: str
    message: str
    n_trials: int
    trials: tuple[TrialNote, ...]
    best: tuple[Best, ...]
    rescored: Rescored | None
    n_unsent: int

    def count(self, state: str) -> int:
        """Return how many of the night's trials were in this state after the night."""
        return sum(trial.state == state for trial in self.trials)


def rows_of(folder: Path) -> list[TrialRow]:
    """Return the trials in a study's folder. Empty if the study was never started."""
    return trial_rows(Ledger(folder / "trials"))


def notes_of(before: Sequence[TrialRow], after: Sequence[TrialRow]) -> tuple[TrialNote, ...]:
    """Return the trials that a night started or continued.

    ``before`` and ``after`` are all trials of the study before and after the night. The result has
    the trials of ``after`` that had not ended before the night.
    """
    had_ended = {row.trial_id for row in before if row.state in ENDED}
    return tuple(
        TrialNote(
            trial_id=row.trial_id,
            label=row.label,
            state=row.state,
            reason=row.outcome.reason or "" if row.outcome else "",
        )
        for row in after
        if row.trial_id not in had_ended
    )


def best_of(rows: Sequence[TrialRow]) -> Iterator[Best]:
    """Yield the best trial for each input size and objective.

    A size without scores is left out. Trials that copy training scans do not count. An objective is
    left out if it cannot tell real scans from noise.
    """
    for size in sizes_of(rows):
        of_size = [row for row in rows if row.input_size == size and not row.is_copying]
        scored = last_scores(of_size)
        for objective in OBJECTIVES:
            if scored is None or objective in scored.dropped:
                continue
            if found := [_standing(row, objective) for row in of_size if row.evaluation]:
                best = found[0]
                for one in found[1:]:
                    best = one if one.beats(best) else best
                yield best


def _standing(row: TrialRow, objective: str) -> Best:
    assert row.evaluation is not None
    return Best(
        input_size=row.input_size,
        objective=objective,
        trial_id=row.trial_id,
        label=row.label,
        score=row.evaluation.scores[objective].score,
    )


def count_unsent(folder: Path) -> int:
    """Return the number of records in a study's folder that were not yet sent to MLflow.

    Returns 0 if the folder does not exist.
    """
    return len(Outbox(folder).waiting()) if folder.is_dir() else 0
