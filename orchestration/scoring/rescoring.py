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
from orchestration.study.evaluations import (
    DISTANCE,
    EVALUATION_FILE,
    OBJECTIVES,
    epoch_folder,
    read_evaluation,
)
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
    """The trial that was scored again.

    ``pairs`` is empty if there was no time for it, or if it failed: ``failure`` has the reason.
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
    """The trial with the smallest histogram distance so far. None if no trial has scores."""
    scored = [row for row in rows if row.evaluation is not None and not row.is_copying]
    return min(scored, key=_distance, default=None)


def _distance(row: TrialRow) -> float:
    assert row.evaluation is not None
    return row.evaluation.scores[DISTANCE].score.value


def lay_out(row: TrialRow, trials: Path, folder: Path, sharing: Sharing) -> str:
    """Make a folder with the weights of a trial's last epoch. Returns its address for an evaluator.

    The weights are linked; at a URL, which has no links, they are copied.
    """
    assert row.evaluation is not None
    folder.mkdir(parents=True)
    for name in SAMPLER_FILES:
        source = epoch_folder(trials / row.trial_id, row.evaluation.epoch) / name
        if sharing == SHARED_FOLDER:
            (folder / name).symlink_to(source)
        else:
            shutil.copyfile(fetched(source, sharing), folder / name)
    sharing.push_tree(folder)
    return sharing.address(folder)


def clear(folder: Path, sharing: Sharing) -> None:
    """Remove the weights from the folder. The trial keeps them, and the scores stay."""
    for name in SAMPLER_FILES:
        sharing.remove(folder / name)


def read_rescored(row: TrialRow, folder: Path) -> Rescored:
    """The scores then and tonight, or why there are none of tonight."""
    assert row.evaluation is not None
    pairs: tuple[Pair, ...] = ()
    if (folder / EVALUATION_FILE).is_file():
        then, tonight = row.evaluation.scores, read_evaluation(folder).scores
        pairs = tuple(
            Pair(objective=name, then=then[name].score, tonight=tonight[name].score)
            for name in OBJECTIVES
        )
    failed = folder / FAILURE_FILE
    failure = failed.read_text() if failed.is_file() else ""
    return Rescored(trial_id=row.trial_id, label=row.label, pairs=pairs, failure=failure)
