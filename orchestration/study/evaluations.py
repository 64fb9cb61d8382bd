"""The scores of one epoch, and the five forms that a score takes between a volume and MLflow.

1. ``evaluation.observation.Observation``: what is kept of one volume. ``evaluation.observer``
   makes it.
2. ``evaluation.measurement.Measurement``: one score of a set of volumes, with its interval and with
   what real scans and nonsense score. ``evaluation.judge`` makes it.
3. ``Evaluation``, here: all measurements of one epoch. The evaluator writes it once, as
   ``evaluation.json`` in the folder of the epoch. Whoever needs more than the objectives reads that
   file; nothing else holds a copy of it.
4. ``EpochObjectives``, here: the epoch and what the search is told of it. The evaluation actor
   returns this, and a trial reports it to Ray Tune.
5. ``orchestration.study.outbox.Record``: numbers on their way to MLflow, a line of
   ``outbox.jsonl`` until they are sent.
"""

from dataclasses import dataclass
from pathlib import Path

from evaluation.measurement import Measurements
from evaluation.memorization.finding import CopyFinding
from evaluation.score import Score
from ldm.files.json_file import MADE_AGAIN, read_dataclass, write_dataclass

EVALUATION_FILE = "evaluation.json"  # written last: with it, the folder of an epoch is complete
DISTANCE, DICE = "histogram_distance_hu", "totalsegmentator_dice"
OBJECTIVES = {DISTANCE: "min", DICE: "max"}
DROPPABLE = (DICE,)  # where real scans and nonsense score alike


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochObjectives:
    """What the search is told of one epoch: a value for each name in ``OBJECTIVES``."""

    epoch: int
    values: dict[str, float]

    def report(self) -> dict[str, float]:
        """The same for Ray Tune, which knows the epoch as ``eval_epoch``: training went on."""
        return {"eval_epoch": float(self.epoch)} | self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The scores of one epoch's samples, beside those of the same model before its first step.

    ``real_dice`` and ``autoencoder_dice`` are of held-out scans with expert masks, None without.
    ``failed`` names the samples that ended the segmenter's process twice: they count as without
    organs. ``copying`` is None where there are too few training scans to tell.
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

    def objectives(self) -> EpochObjectives:
        """What the search is told; a score that cannot tell real scans from nonsense counts 0."""
        chosen = {name: self.scores[name] for name in OBJECTIVES}
        dropped = {name for name in DROPPABLE if not chosen[name].can_tell}
        values = {n: 0.0 if n in dropped else one.score.value for n, one in chosen.items()}
        return EpochObjectives(epoch=self.epoch, values=values)

    def flat(self) -> dict[str, float]:
        """Every number of it by name, for MLflow and for tables."""
        values = {"eval_seconds": self.seconds}
        for one in self.scores.measurements:
            values |= one.flat()
        for one in self.untrained.measurements:
            values[f"{one.name}_untrained"] = one.score.value
        rungs = {"real_dice": self.real_dice, "autoencoder_dice": self.autoencoder_dice}
        return values | {name: rung.value for name, rung in rungs.items() if rung}


def epoch_folder(trial: Path, epoch: int) -> Path:
    """Where a trial keeps the weights, samples and scores of one epoch."""
    return trial / f"epoch_{epoch:04d}"


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write ``evaluation.json`` into the folder of an epoch."""
    write_dataclass(folder / EVALUATION_FILE, evaluation)


def read_evaluation(folder: Path, *, remedy: str = MADE_AGAIN) -> Evaluation:
    """The evaluation in the folder of an epoch; raises InputError where none can be read."""
    return read_dataclass(Evaluation, folder / EVALUATION_FILE, remedy=remedy)
