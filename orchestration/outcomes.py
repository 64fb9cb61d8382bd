"""What is kept of a trial on disk: its evaluations and its outcome, as JSON."""

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evaluation.judge import Scores
from evaluation.score import Score
from ldm.dataclass_json import from_dict, to_dict

OBJECTIVES = {"histogram_distance_hu": "min", "totalsegmentator_dice": "max"}


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The scores of one epoch's samples, beside those that tell what they mean."""

    epoch: int
    scores: Scores
    untrained: Scores
    histogram_null: Score
    dice_ceiling: Score
    seconds: float

    def metrics(self) -> dict[str, float]:
        """Flat numbers for Ray Tune and MLflow; the epoch that was judged is ``eval_epoch``."""
        values = {"eval_epoch": float(self.epoch), "eval_seconds": self.seconds}
        for name in (
            "histogram_distance_hu",
            "histogram_distance_whole_grid_hu",
            "totalsegmentator_dice",
        ):
            score: Score = getattr(self.scores, name)
            untrained: Score = getattr(self.untrained, name)
            values |= {
                name: score.value,
                f"{name}_low": score.low,
                f"{name}_high": score.high,
                f"{name}_n": float(score.n),
                f"{name}_untrained": untrained.value,
            }
        values["histogram_distance_hu_null"] = self.histogram_null.value
        values["histogram_distance_hu_null_n"] = float(self.histogram_null.n)
        values["totalsegmentator_dice_ceiling"] = self.dice_ceiling.value
        values["totalsegmentator_dice_ceiling_n"] = float(self.dice_ceiling.n)
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """The end of a trial; ``evaluation`` is None only for a failed one.

    ``trivial_loss`` is what always predicting 0 would have cost in the last epoch.
    """

    state: TrialState
    epoch: int
    first_epoch_loss: float | None
    loss: float | None
    trivial_loss: float | None
    seconds: float
    waiting_s: float
    evaluation: Evaluation | None
    reason: str | None


def write_outcome(folder: Path, outcome: TrialOutcome) -> None:
    """Write ``outcome.json`` into a trial's folder."""
    write_json(folder / "outcome.json", outcome)


def read_outcome(folder: Path) -> TrialOutcome | None:
    """The outcome of a trial, or None while it has none."""
    path = folder / "outcome.json"
    return from_dict(TrialOutcome, json.loads(path.read_text())) if path.is_file() else None


def write_json(path: Path, value: object) -> None:
    """Write a dataclass as JSON under a temporary name, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    temporary.write_text(json.dumps(to_dict(value), indent=1))
    temporary.replace(path)
