"""The scores of finalists on disk: one file a trial, one table a study."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from evaluation.measurement import Measurement
from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.study.comparison import optimal_trials
from orchestration.study.evaluations import DICE, DISTANCE, Evaluation, epoch_folder
from orchestration.study.ledger import Ledger, TrialRecord
from orchestration.study.trial_rows import trial_rows

FINALIST_SCORE = "finalist_dice"
FILE = "finalist.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalistScore:
    """Agreement of TotalSegmentator at 1.5 mm and 3 mm on one trial's samples.

    ``reference`` names what it was measured beside, and by which weights; ``is_put_back`` says
    that samples were segmented inside a held-out scan; ``failed`` samples ended the segmenter's
    process twice and count 0.
    """

    epoch: int
    reference: str
    is_put_back: bool
    failed: tuple[str, ...]
    dice: Measurement

    def flat(self) -> dict[str, float]:
        """Numbers for MLflow and the table, as ``finalist_dice``."""
        return flat_with_intervals(replace(self.dice, name=FINALIST_SCORE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A Pareto-optimal trial of a study, and the evaluation that made it one."""

    record: TrialRecord
    evaluation: Evaluation
    folder: Path

    @property
    def samples(self) -> Path:
        """The folder of its samples, NIfTI."""
        return self.folder / "samples"

    def score(self) -> FinalistScore | None:
        """What an earlier call measured, or None."""
        path = self.folder / FILE
        return read_dataclass(FinalistScore, path) if path.is_file() else None

    def keep(self, score: FinalistScore) -> None:
        """Write the score beside the samples."""
        write_dataclass(self.folder / FILE, score)


def finalists_of(ledger: Ledger) -> list[Finalist]:
    """The trials that the table marks as Pareto-optimal, in order; empty while none is complete."""
    rows = trial_rows(ledger)
    optimal = optimal_trials(rows)
    scored = {row.trial_id: row.evaluation for row in rows if row.trial_id in optimal}
    found = []
    for record in ledger.records():
        if evaluation := scored.get(record.trial_id):
            folder = epoch_folder(ledger.folder / record.trial_id, evaluation.epoch)
            found.append(Finalist(record=record, evaluation=evaluation, folder=folder))
    return found


def check_reference(finalist: Finalist, score: FinalistScore, reference: str) -> None:
    """Raise InputError for a score that was measured by other weights than those at hand."""
    if score.reference != reference:
        path = finalist.folder / FILE
        raise InputError(
            f"finalists of a study are judged by the same weights, {path} was measured with "
            f"{score.reference}, those given now make {reference}: give the same "
            "--totalsegmentator-weights, or remove that file"
        )


def flat_with_intervals(one: Measurement) -> dict[str, float]:
    """``Measurement.flat`` with the intervals of what real scans and smooth noise score."""
    values = one.flat()
    for name, score in (("real", one.real), ("nonsense", one.nonsense)):
        if score is not None:
            values |= {f"{one.name}_{name}_low": score.low, f"{one.name}_{name}_high": score.high}
    return values


def write_finalists(folder: Path, scored: list[tuple[Finalist, FinalistScore]]) -> Path:
    """The table as ``finalists.csv`` in a study's folder."""
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
