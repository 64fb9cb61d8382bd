"""The scores of one epoch, and the five forms that a score takes between a volume and MLflow.

1. ``evaluation.observation.Observation``: the measured features of one volume, made by
   ``evaluation.observer``.
2. ``evaluation.measurement.Measurement``: one score of a set of volumes, with its interval and the
   scores of real scans and noise, made by ``evaluation.judge``.
3. ``Evaluation``, here: all measurements of one epoch. The evaluator writes them to
   ``evaluation.json`` in the folder of the epoch. Everything that needs more than the objectives
   reads this file, and no other copy is kept.
4. ``EpochObjectives``, here: the objectives of one epoch. The evaluation actor returns them, and
   the trial reports them to Ray Tune.
5. ``orchestration.study.outbox.Record``: numbers on their way to MLflow. Each is a line of
   ``outbox.jsonl`` until it is sent.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from evaluation.measurement import Measurement, Measurements
from evaluation.memorization.finding import CopyFinding
from evaluation.score import Score
from ldm.files.json_file import NOT_MADE_AGAIN, read_dataclass, write_dataclass

EVALUATION_FILE = "evaluation.json"  # written last, so an epoch's folder with it is complete
DISTANCE, DICE = "histogram_distance_hu", "totalsegmentator_dice"
OBJECTIVES = {DISTANCE: "min", DICE: "max"}
EVAL_EPOCH, IS_COPYING = "eval_epoch", "is_copying"  # in reports of trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What an objective is compared with at one input size.

    Attributes
    ----------
    floor, ceiling
        The objective of smooth noise and of real scans.
    can_tell
        Whether the objective tells real scans from noise (see ``Measurement.can_tell``).
    """

    floor: float
    ceiling: float
    can_tell: bool

    def normalized(self, value: float) -> float:
        """Return where a value lies between the floor, 0, and the ceiling, 1."""
        return (value - self.floor) / (self.ceiling - self.floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochObjectives:
    """What the search is told about one epoch of a trial.

    Attributes
    ----------
    epoch
        Epochs that the model was trained.
    values
        The objectives as they were measured, by their names in ``OBJECTIVES``.
    anchors
        What each objective is compared with.
    is_copying
        Whether the samples copy training scans.
    """

    epoch: int
    values: dict[str, float]
    anchors: dict[str, Anchors]
    is_copying: bool

    def report(self) -> dict[str, Any]:
        """Return the objectives as a report for Ray Tune, which flattens nested values.

        The epoch is called ``eval_epoch``, because training has moved on to a later ``epoch``.
        ``anchors_in`` reads the anchors again.
        """
        anchors = {
            f"{name}_{field}": value
            for name, one in self.anchors.items()
            for field, value in asdict(one).items()
        }
        return {EVAL_EPOCH: self.epoch, IS_COPYING: self.is_copying} | self.values | anchors


def anchors_in(report: Mapping[str, Any]) -> dict[str, Anchors] | None:
    """Return the anchors of each objective in a report of ``EpochObjectives.report``.

    None if it has none, as reports of earlier versions.
    """
    names = [field.name for field in fields(Anchors)]
    if any(f"{objective}_{name}" not in report for objective in OBJECTIVES for name in names):
        return None
    return {
        objective: Anchors(**{name: report[f"{objective}_{name}"] for name in names})
        for objective in OBJECTIVES
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The scores of the samples of one epoch.

    Attributes
    ----------
    epoch
        Epochs that the model was trained.
    scores
        Scores of the samples.
    untrained
        Scores of samples of the same model before its first step.
    real_dice
        Dice of TotalSegmentator and expert masks on held-out scans. None without expert masks.
    autoencoder_dice
        Dice on these scans before and after encoding and decoding. None without expert masks.
    failed
        Names of samples that crashed the segmenter twice. They are scored as having no organs.
    copying
        Whether samples copy training scans. None if there are too few training scans to tell.
    seconds
        Duration of the evaluation.
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
        """Return whether samples copy training scans.

        If they do, the trial is excluded from the Pareto front.
        """
        return self.copying is not None and self.copying.is_copying

    def objectives(self) -> EpochObjectives:
        """Return what the search is told about this epoch."""
        return EpochObjectives(
            epoch=self.epoch,
            values={name: self.scores[name].score.value for name in OBJECTIVES},
            anchors={name: _anchors(self.scores[name]) for name in OBJECTIVES},
            is_copying=self.is_copying,
        )

    @property
    def dropped(self) -> tuple[str, ...]:
        """Return the names of the objectives that cannot tell real scans from noise."""
        return tuple(name for name in OBJECTIVES if not self.scores[name].can_tell)

    def flat(self) -> dict[str, float]:
        """Return all numbers by name, for MLflow and for tables.

        Scores that were not measured are left out.
        """
        values = {"eval_seconds": self.seconds}
        for one in self.scores.measurements:
            values |= one.flat()
        for one in self.untrained.measurements:
            values[f"{one.name}_untrained"] = one.score.value
        rungs = {"real_dice": self.real_dice, "autoencoder_dice": self.autoencoder_dice}
        return values | {name: rung.value for name, rung in rungs.items() if rung}


def _anchors(one: Measurement) -> Anchors:
    assert one.nonsense is not None, "objectives have a floor"
    return Anchors(floor=one.nonsense.value, ceiling=one.real.value, can_tell=one.can_tell)


def epoch_folder(trial: Path, epoch: int) -> Path:
    """Return the folder for the weights, samples and scores of one epoch.

    ``trial`` is the folder of the trial. The folder of the epoch may not exist yet.
    """
    return trial / f"epoch_{epoch:04d}"


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write ``evaluation.json`` into the folder of an epoch."""
    write_dataclass(folder / EVALUATION_FILE, evaluation)


def read_evaluation(folder: Path, *, remedy: str = NOT_MADE_AGAIN) -> Evaluation:
    """Read the evaluation in the folder of an epoch.

    Raises InputError with ``remedy`` if it is missing or damaged.
    """
    return read_dataclass(Evaluation, folder / EVALUATION_FILE, remedy=remedy)
