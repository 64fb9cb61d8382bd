"""The last known good trial, sampled and scored once more: does tonight's code judge as then?

Weights, noise, scans and segmenter are the same, so the scores are, but for rounding.
It shows that generating and scoring still work as they did. It does not show that training does.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.score import Score
from orchestration.storage.sharing import SHARED_FOLDER, Sharing, fetched
from orchestration.study.outcomes import DISTANCE, OBJECTIVES, read_evaluation
from orchestration.study.trial_rows import TrialRow

FAILURE_FILE = "failure.txt"  # why an evaluator could not score, in the folder of the weights
SAMPLER_FILES = ("sampler.json", "sampler.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One objective of the same weights, then and tonight."""

    objective: str
    then: Score
    tonight: Score

    @property
    def verdict(self) -> str:
        """``as then``, or how the intervals lie that have nothing in common."""
        if self.tonight.low <= self.then.high and self.tonight.high >= self.then.low:
            return "as then"
        is_lower = self.tonight.high < self.then.low
        return "better than then" if is_lower == (OBJECTIVES[self.objective] == "min") else "WORSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """The trial that was scored again; ``pairs`` is empty where there was no time for it.

    Or where it failed, then with the reason.
    """

    trial_id: str
    label: str
    pairs: tuple[Pair, ...]
    failure: str = ""

    @property
    def changed(self) -> tuple[Pair, ...]:
        """The objectives that are not as they were then."""
        return tuple(pair for pair in self.pairs if pair.verdict != "as then")


def known_good(rows: Sequence[TrialRow]) -> TrialRow | None:
    """The trial with the smallest histogram distance so far; None before any has scores."""
    scored = [row for row in rows if row.evaluation is not None and not row.is_copying]
    return min(scored, key=_distance, default=None)


def _distance(row: TrialRow) -> float:
    assert row.evaluation is not None
    return row.evaluation.scores[DISTANCE].score.value


def lay_out(row: TrialRow, trials: Path, folder: Path, sharing: Sharing) -> str:
    """A folder for an evaluator with the weights of a trial's last epoch; returns its address.

    Links, but at a URL, which has none.
    """
    assert row.evaluation is not None
    folder.mkdir(parents=True)
    for name in SAMPLER_FILES:
        source = trials / row.trial_id / f"epoch_{row.evaluation.epoch:04d}" / name
        if sharing == SHARED_FOLDER:
            (folder / name).symlink_to(source)
        else:
            shutil.copyfile(fetched(source, sharing), folder / name)
    sharing.push_tree(folder)
    return sharing.address(folder)


def clear(folder: Path, sharing: Sharing) -> None:
    """Remove the weights, which their trial has; what came of them stays."""
    for name in SAMPLER_FILES:
        sharing.remove(folder / name)


def read_rescored(row: TrialRow, folder: Path) -> Rescored:
    """What came of it."""
    assert row.evaluation is not None
    pairs: tuple[Pair, ...] = ()
    if (folder / "evaluation.json").is_file():
        then, tonight = row.evaluation.scores, read_evaluation(folder).scores
        pairs = tuple(
            Pair(objective=name, then=then[name].score, tonight=tonight[name].score)
            for name in OBJECTIVES
        )
    failed = folder / FAILURE_FILE
    failure = failed.read_text() if failed.is_file() else ""
    return Rescored(trial_id=row.trial_id, label=row.label, pairs=pairs, failure=failure)
