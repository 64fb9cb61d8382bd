"""Sample and score the best trial so far again, to check that the code still works.

Weights, noise, scans and segmenter are the same as before, so the scores must be equal except for
rounding. This checks generation and scoring, but not training.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.score import MIN_VOLUMES, Score
from orchestration.storage.sharing import SHARED_FOLDER, Sharing, fetched
from orchestration.study.evaluations import (
    DISTANCE,
    EVALUATION_FILE,
    OBJECTIVES,
    epoch_folder,
    read_evaluation,
)
from orchestration.study.trial_rows import TrialRow

FAILURE_FILE = "failure.txt"  # in the folder of the weights: why scoring failed
UNCHANGED = "unchanged"
NOT_COMPARED = f"not compared, because an interval needs {MIN_VOLUMES} volumes"
SAMPLER_FILES = ("sampler.json", "sampler.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two scores of the same weights for one objective.

    ``then`` was measured at the end of the trial, ``tonight`` when it was scored again.
    """

    objective: str
    then: Score
    tonight: Score

    @property
    def verdict(self) -> str:
        """Return ``unchanged`` if the intervals overlap, otherwise ``better`` or ``WORSE``.

        Scores of too few volumes have no interval and are not compared.
        """
        if not (self.then.has_interval and self.tonight.has_interval):
            return NOT_COMPARED
        if self.tonight.low <= self.then.high and self.tonight.high >= self.then.low:
            return UNCHANGED
        is_lower = self.tonight.high < self.then.low
        return "better" if is_lower == (OBJECTIVES[self.objective] == "min") else "WORSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """The trial that was scored again.

    ``pairs`` is empty if there was no time or if scoring failed. ``failure`` is the reason, or
    empty if scoring did not fail.
    """

    trial_id: str
    label: str
    pairs: tuple[Pair, ...]
    failure: str = ""

    @property
    def changed(self) -> tuple[Pair, ...]:
        """Return the pairs whose intervals do not overlap."""
        as_before = (UNCHANGED, NOT_COMPARED)
        return tuple(pair for pair in self.pairs if pair.verdict not in as_before)


def known_good(rows: Sequence[TrialRow]) -> TrialRow | None:
    """Return the trial with the smallest histogram distance. None if no trial has scores.

    Trials that copy training scans do not count.
    """
    scored = [row for row in rows if row.evaluation is not None and not row.is_copying]
    return min(scored, key=_distance, default=None)


def _distance(row: TrialRow) -> float:
    assert row.evaluation is not None
    return row.evaluation.scores[DISTANCE].score.value


def lay_out(row: TrialRow, trials: Path, folder: Path, sharing: Sharing) -> str:
    """Make a folder with the weights of the epoch that stands for a trial. Returns its path or URL.

    ``row`` is a trial with scores, ``trials`` the folder that contains the folders of all trials,
    and ``folder`` the new folder. It has symbolic links to the weights, or copies if the storage is
    a URL.
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
    """Remove the weights that ``lay_out`` put into a folder. The trial's own weights stay."""
    for name in SAMPLER_FILES:
        sharing.remove(folder / name)


def read_rescored(row: TrialRow, folder: Path) -> Rescored:
    """Return how the trial in ``row`` was scored again.

    ``folder`` is that of ``lay_out``. If it has no scores, the result has no pairs. If scoring
    failed, the result has the reason.
    """
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
