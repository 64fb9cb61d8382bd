"""Score the Pareto-optimal trials again at a finer resolution: ``pancreatune finalists``.

The search measures how well TotalSegmentator's 3 mm and 6 mm models agree on the pancreas of a
sample. This measures the agreement of its 1.5 mm and 3 mm models, on the same samples and compared
with the same real scans.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.measurement import Measurement
from ldm.errors import InputError
from orchestration.final_round.scores import (
    Finalist,
    FinalistScore,
    finalists_of,
    write_finalists,
)
from orchestration.storage.mirror import folder_of
from orchestration.storage.object_store import is_url
from orchestration.storage.study_lock import study_lock
from orchestration.study.evaluations import DICE
from orchestration.study.ledger import Ledger

HEADINGS = (
    "trial",
    "input size",
    "n",
    "3 and 6 mm",
    "real",
    "noise",
    "1.5 and 3 mm",
    "real",
    "noise",
)


def score_finalists(
    storage: str,
    names: list[str],
    *,
    weights: Path | None,
    allow_phantom: bool,
    console: Console,
) -> int:
    """Score the finalists of the named studies, or of all studies in a storage folder.

    Finalists are the Pareto-optimal trials of a study. Their scores are printed, written to
    ``finalists.csv`` in the folder of the study, and logged to MLflow.

    ``names`` are the studies. If it is empty, all are scored. ``weights`` is the folder of
    TotalSegmentator's weights. If it is None, weights that were trained on phantoms are used. For
    real scans this is refused, unless ``allow_phantom`` is True.

    Returns 0. Raises InputError if the storage is a URL or has no such study, if another command is
    writing to the study, or if the weights or other files that scoring needs are missing.
    """
    folder = folder_of(storage)
    if is_url(storage):
        raise InputError(
            "--storage must be the folder that has the samples",
            seen=f"{storage} is a URL",
            remedy=f"on the machine that ran the sweep, give its copy: --storage {folder}",
        )
    for name in study_folders(folder, names):
        with study_lock(name):
            _score_study(name, console, weights=weights, allow_phantom=allow_phantom)
    return 0


def study_folders(storage: Path, names: list[str]) -> list[Path]:
    """Return the folders of the named studies, or of all studies if ``names`` is empty.

    Raises InputError if a named study does not exist, or if there is none at all.
    """
    there = sorted(path.parent for path in storage.glob("*/sweep.json"))
    listed = ", ".join(folder.name for folder in there) or "none"
    missing = sorted(set(names) - {folder.name for folder in there})
    if missing or not there:
        raise InputError(
            "--study must name studies in the --storage folder",
            seen=f"{storage} has no {', '.join(missing) or 'study'} (it has: {listed})",
            remedy="give the --storage of a sweep and the names of its studies",
        )
    return [folder for folder in there if not names or folder.name in names]


def _score_study(
    folder: Path, console: Console, *, weights: Path | None, allow_phantom: bool
) -> None:
    from orchestration.final_round.scoring import score_all
    from orchestration.final_round.tracking import tell_mlflow

    ledger = Ledger(folder / "trials")
    finalists = finalists_of(ledger)
    if not finalists:
        console.print(
            f"{folder.name} has no finalists: no trial is complete, all complete trials copy "
            "training scans, or no objective tells real scans from noise",
            highlight=False,
        )
        return
    scored = []
    for pair in score_all(finalists, console, weights=weights, allow_phantom=allow_phantom):
        scored.append(pair)
        table = write_finalists(folder, scored)
    console.print(f"Study {folder.name}", style="bold", highlight=False)
    print_finalists(console, scored)
    console.print(f"results: {table}", highlight=False, soft_wrap=True)
    tell_mlflow(folder, table, scored, console)


def print_finalists(console: Console, scored: list[tuple[Finalist, FinalistScore]]) -> None:
    """Print a table with two scores of each finalist, next to those of real scans and smooth noise.

    Both scores are the Dice of two TotalSegmentator models on the pancreas: of the 3 mm and 6 mm
    models, measured by the search, and of the 1.5 mm and 3 mm models, measured by this command.
    Warnings and an explanation of the numbers follow the table.
    """
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=True, overflow="fold")
    for finalist, score in scored:
        table.add_row(
            finalist.record.name,
            str(finalist.record.config.image.input_size),
            str(score.dice.score.n),
            *_cells(finalist.evaluation.scores[DICE]),
            *_cells(score.dice),
        )
    console.print(table)
    for finalist, score in scored:
        for line in _notes(finalist, score):
            console.print(line, style="yellow", highlight=False, soft_wrap=True)
    console.print(
        "Numbers are the Dice of two TotalSegmentator models on the pancreas; higher is better. "
        "±: half of the 95 % interval.\nReal scans and smooth noise were processed like the "
        "samples: a score is meaningful only between theirs.",
        highlight=False,
        soft_wrap=True,
    )


def _cells(one: Measurement) -> tuple[str, str, str]:
    score = one.score
    noise = "" if one.nonsense is None else f"{one.nonsense.value:.2f}"
    half = f"±{(score.high - score.low) / 2:.2f}" if score.has_interval else "± ?"
    return f"{score.value:.2f} {half}", f"{one.real.value:.2f}", noise


def _notes(finalist: Finalist, score: FinalistScore) -> list[str]:
    """Return warnings about scores that noise reaches too, and samples that were not segmented."""
    name, notes = finalist.record.name, []
    if not score.dice.can_tell:
        notes.append(f"{name}: at 1.5 and 3 mm, smooth noise scores as well as real scans")
    if not finalist.evaluation.scores[DICE].can_tell:
        notes.append(f"{name}: at 3 and 6 mm, smooth noise scores as well as real scans")
    if score.failed:
        notes.append(f"{name}: {', '.join(score.failed)} crashed the segmenter twice, scored as 0")
    return notes
