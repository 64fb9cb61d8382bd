"""What a night left in a study: read from its ledger before and after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.score import Score
from ldm.config import InputSize
from orchestration.scoring.rescoring import Rescored
from orchestration.study.comparison import dropped_dice, sizes_of
from orchestration.study.evaluations import DICE, DISTANCE, OBJECTIVES
from orchestration.study.ledger import Ledger
from orchestration.study.outbox import Outbox
from orchestration.study.outcomes import TrialState
from orchestration.study.trial_rows import TrialRow, trial_rows

ENDED = (str(TrialState.COMPLETE), str(TrialState.FAILED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best score of one objective among the trials of one input size."""

    input_size: InputSize
    objective: str
    trial_id: str
    label: str
    score: Score

    def beats(self, other: "Best") -> bool:
        """Whether its value is the better one."""
        better, worse = self.score.value, other.score.value
        return better < worse if OBJECTIVES[self.objective] == "min" else better > worse

    def is_apart_from(self, other: "Best") -> bool:
        """Whether the two intervals have nothing in common."""
        return self.score.low > other.score.high or self.score.high < other.score.low


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialNote:
    """A trial that was touched in a night: ``state`` is how it stood in the morning."""

    trial_id: str
    label: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyNight:
    """One study in one night; ``n_kept`` records wait for MLflow.

    ``message`` is empty where the sweep came to its end, whatever became of its trials.
    """

    study: str
    message: str
    n_trials: int
    trials: tuple[TrialNote, ...]
    best: tuple[Best, ...]
    rescored: Rescored | None
    n_kept: int

    def count(self, state: str) -> int:
        """How many of the night's trials stood so in the morning."""
        return sum(trial.state == state for trial in self.trials)


def rows_of(folder: Path) -> list[TrialRow]:
    """The trials of a study, none where it was never started."""
    return trial_rows(Ledger(folder / "trials"))


def notes_of(before: Sequence[TrialRow], after: Sequence[TrialRow]) -> tuple[TrialNote, ...]:
    """The trials that a night began or went on with: all but those that had ended before."""
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
    """For each input size and objective; nothing for a size without scores.

    Left out are trials that copy training scans, and Dice where it tells nothing.
    """
    for size in sizes_of(rows):
        of_size = [row for row in rows if row.input_size == size and not row.is_copying]
        for objective in (DISTANCE, DICE):
            if objective == DICE and dropped_dice(of_size):
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


def n_kept(folder: Path) -> int:
    """How many records a study still has for MLflow."""
    return len(Outbox(folder).waiting()) if folder.is_dir() else 0
