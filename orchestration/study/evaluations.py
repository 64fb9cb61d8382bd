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

from dataclasses import dataclass
from pathlib import Path

from evaluation.measurement import Measurements
from evaluation.memorization.finding import CopyFinding
from evaluation.score import Score
from ldm.files.json_file import NOT_MADE_AGAIN, read_dataclass, write_dataclass

EVALUATION_FILE = "evaluation.json"  # written last, so an epoch's folder with it is complete
DISTANCE, DICE = "histogram_distance_hu", "totalsegmentator_dice"
OBJECTIVES = {DISTANCE: "min", DICE: "max"}
# What the search is told of an objective that cannot tell real scans from noise. It is the worst
# value, the same for all trials, so that it favors none and draws the search nowhere.
WORST = {DISTANCE: 2000.0, DICE: 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochObjectives:
    """The objectives of one epoch for the search, by their names in ``OBJECTIVES``."""

    epoch: int
    values: dict[str, float]

    def report(self) -> dict[str, float]:
        """Return the objectives as a report for Ray Tune.

        The epoch is called ``eval_epoch``, because training has moved on to a later ``epoch``.
        """
        return {"eval_epoch": float(self.epoch)} | self.values


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
        """Return the objectives for the search.

        An objective that cannot tell real scans from noise has its worst value, so that it does not
        guide the search.
        """
        values = {name: self.scores[name].score.value for name in OBJECTIVES}
        worst = {name: WORST[name] for name in self.dropped}
        return EpochObjectives(epoch=self.epoch, values=values | worst)

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
