"""The scores of finalists on disk: one file per trial and one table per study."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from evaluation.measurement import Measurement
from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.study.comparison import undominated_trials
from orchestration.study.evaluations import DICE, DISTANCE, Evaluation, epoch_folder
from orchestration.study.ledger import Ledger, TrialRecord
from orchestration.study.trial_rows import trial_rows

FINALIST_SCORE = "finalist_dice"
FILE = "finalist.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalistScore:
    """Agreement of TotalSegmentator at 1.5 mm and 3 mm on the samples of one trial.

    Attributes
    ----------
    epoch
        The epoch that the samples are from.
    reference
        Fingerprint of the real scans and of the segmenters' weights.
    is_put_back
        Whether the samples were segmented inside a held-out scan.
    failed
        Names of samples that crashed the segmenter twice. They count as 0.
    dice
        The score, with those of real scans and noise.
    """

    epoch: int
    reference: str
    is_put_back: bool
    failed: tuple[str, ...]
    dice: Measurement

    def flat(self) -> dict[str, float]:
        """Return the numbers for MLflow and the table. Their names begin with finalist_dice."""
        return flat_with_intervals(replace(self.dice, name=FINALIST_SCORE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A Pareto-optimal trial of a study, and the evaluation that made it one.

    ``folder`` is the folder of the evaluated epoch.
    """

    record: TrialRecord
    evaluation: Evaluation
    folder: Path

    @property
    def samples(self) -> Path:
        """Return the folder with its samples as NIfTI files."""
        return self.folder / "samples"

    def score(self) -> FinalistScore | None:
        """Return the score that an earlier call of the command stored, or None."""
        path = self.folder / FILE
        return read_dataclass(FinalistScore, path) if path.is_file() else None

    def keep(self, score: FinalistScore) -> None:
        """Store the score next to the samples."""
        write_dataclass(self.folder / FILE, score)


def finalists_of(ledger: Ledger) -> list[Finalist]:
    """Return the trials of a study that no other trial beats in both objectives, by number.

    Trials of too few volumes for an interval count too, so that they can be scored more precisely.
    Empty if no trial is complete, if all complete trials copy training scans, or if no objective
    tells real scans from noise.
    """
    rows = trial_rows(ledger)
    optimal = undominated_trials(rows)
    scored = {row.trial_id: row.evaluation for row in rows if row.trial_id in optimal}
    found = []
    for record in ledger.records():
        if evaluation := scored.get(record.trial_id):
            folder = epoch_folder(ledger.folder / record.trial_id, evaluation.epoch)
            found.append(Finalist(record=record, evaluation=evaluation, folder=folder))
    return found


def check_reference(finalist: Finalist, score: FinalistScore, reference: str) -> None:
    """Raise InputError if a stored score was measured with other weights than those given now.

    ``reference`` is the fingerprint of the real scans and of the weights that are given now.
    """
    if score.reference != reference:
        path = finalist.folder / FILE
        raise InputError(
            "all finalists of a study must be scored with the same weights",
            seen=f"{path} was measured with {score.reference}, those given now are {reference}",
            remedy="give the same --totalsegmentator-weights, or remove that file",
        )


def flat_with_intervals(one: Measurement) -> dict[str, float]:
    """Return ``Measurement.flat``, and the interval limits of real scans and of smooth noise.

    The added names are ``<name>_real_low`` and ``<name>_real_high``, and the same with ``nonsense``
    for smooth noise. If smooth noise was not measured, its names are left out.
    """
    values = one.flat()
    for name, score in (("real", one.real), ("nonsense", one.nonsense)):
        if score is not None:
            values |= {f"{one.name}_{name}_low": score.low, f"{one.name}_{name}_high": score.high}
    return values


def write_finalists(folder: Path, scored: list[tuple[Finalist, FinalistScore]]) -> Path:
    """Write ``finalists.csv`` into a study's folder, and return its path."""
    lines = [
        {
            "trial_id": finalist.record.trial_id,
            "name": finalist.record.name,
            "input_size": str(finalist.record.config.image.input_size),
            "epoch": score.epoch,
            "is_put_back": score.is_put_back,
            "failed": " ".join(score.failed),
            **score.flat(),
            **flat_with_intervals(finalist.evaluation.scores[DICE]),
            DISTANCE: finalist.evaluation.scores[DISTANCE].score.value,
        }
        for finalist, score in scored
    ]
    path = folder / "finalists.csv"
    with atomic_write(path) as file:
        pd.DataFrame(lines).to_csv(file, index=False)
    return path
