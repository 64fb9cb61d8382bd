"""What is kept of a trial on disk: its evaluations and its outcome, as JSON."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evaluation.measurement import Measurement
from evaluation.memorization.finding import CopyFinding
from evaluation.score import Score
from ldm.files.json_file import read_dataclass, write_dataclass

DISTANCE, DICE = "histogram_distance_hu", "totalsegmentator_dice"
OBJECTIVES = {DISTANCE: "min", DICE: "max"}
DROPPABLE = (DICE,)  # where real scans and nonsense score alike


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """The scores of a set of samples."""

    measurements: tuple[Measurement, ...]

    def __getitem__(self, name: str) -> Measurement:
        """The score of that name."""
        return next(one for one in self.measurements if one.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The scores of one epoch's samples, beside those of the same model before its first step.

    ``real_dice`` and ``autoencoder_dice`` are of held-out scans with expert masks, None without.
    ``failed`` are samples that ended the segmenter's process twice: they count as without organs.
    """

    epoch: int
    scores: Measurements
    untrained: Measurements
    real_dice: Score | None
    autoencoder_dice: Score | None
    failed: tuple[str, ...]
    copying: CopyFinding | None
    seconds: float

    @property
    def is_copying(self) -> bool:
        """Whether samples copy training scans: such a model is left out of the Pareto front."""
        return self.copying is not None and self.copying.is_copying

    def objectives(self) -> dict[str, float]:
        """What the search is told; a score that cannot tell real scans from nonsense counts 0."""
        chosen = {name: self.scores[name] for name in OBJECTIVES}
        dropped = {name for name in DROPPABLE if not chosen[name].can_tell}
        return {n: 0.0 if n in dropped else one.score.value for n, one in chosen.items()}

    def metrics(self) -> dict[str, float]:
        """Numbers for Ray Tune; the epoch that was judged is ``eval_epoch``."""
        times = {"eval_epoch": float(self.epoch), "eval_seconds": self.seconds}
        return times | self.objectives()

    def tracked(self) -> dict[str, float]:
        """Every number of it, for MLflow and for tables; what is beside a score by its name."""
        values = {"eval_seconds": self.seconds}
        for one in self.scores.measurements:
            values |= one.flat()
        for one in self.untrained.measurements:
            values[f"{one.name}_untrained"] = one.score.value
        rungs = {"real_dice": self.real_dice, "autoencoder_dice": self.autoencoder_dice}
        return values | {name: rung.value for name, rung in rungs.items() if rung}


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
    """The end of a trial; ``evaluation`` is None only for a failed one.

    ``scoring_s`` is from the end of training to the last score, when others train already.
    """

    state: TrialState
    epoch: int
    first_epoch_loss: float | None
    loss: float | None
    trivial_loss: float | None
    seconds: float
    waiting_s: float
    scoring_s: float
    evaluation: Evaluation | None
    reason: str | None


def read_evaluation(folder: Path) -> Evaluation:
    """The evaluation that an actor left in an epoch's folder."""
    return read_dataclass(Evaluation, folder / "evaluation.json")


def write_training(folder: Path, outcome: TrainingOutcome) -> None:
    """Write ``trained.json`` into a trial's folder."""
    write_dataclass(folder / "trained.json", outcome)


def read_training(folder: Path) -> TrainingOutcome | None:
    """How a trial's training ended, or None while it has not."""
    path = folder / "trained.json"
    return read_dataclass(TrainingOutcome, path) if path.is_file() else None


def write_outcome(folder: Path, outcome: TrialOutcome) -> None:
    """Write ``outcome.json`` into a trial's folder."""
    write_dataclass(folder / "outcome.json", outcome)


def read_outcome(folder: Path) -> TrialOutcome | None:
    """The outcome of a trial, or None while it has none."""
    path = folder / "outcome.json"
    return read_dataclass(TrialOutcome, path) if path.is_file() else None
