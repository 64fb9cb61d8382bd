"""Repeat the study's test of the FID: ``pancreatune frechet-study``."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from evaluation.features.extraction import RANDOM
from evaluation.features.frechet import frechet_metric
from evaluation.features.frechet_table import (
    SOURCE,
    STUDY_EARLY_EPOCH,
    STUDY_LATE_EPOCH,
    Difference,
    Row,
    Sets,
    compare_models,
    same_number,
    table,
)
from evaluation.observer import Observer
from evaluation.tables import write_table
from evaluation.volume_folder import nifti_files, real_volumes, sample_volumes

CSV_FILE, TEXT_FILE = "frechet_study.csv", "frechet_study.md"
COLUMNS = ("experiment", "description", "n", "value", "low", "high", "study")


def compare_folders(real: Path, early: Path, late: Path, *, features: str | None, out: Path) -> str:
    """Compare the volumes of three folders, write the tables into ``out`` and return the text.

    The folders hold real scans, and samples of a model early and late in its training. ``features``
    names the network whose features are compared, as NETWORK or NETWORK=FILE. If it is None, a
    network with random weights is used.
    """
    from evaluation.features.networks import load_features  # torch: not where the table is read

    network, _, file = (features or RANDOM).partition("=")
    look = load_features(network, Path(file) if file else None)
    observer = Observer(features=look)
    sets = Sets(
        real=tuple(observer.observe_all(real_volumes(nifti_files(real)))),
        early=tuple(observer.observe_all(sample_volumes(early))),
        late=tuple(observer.observe_all(sample_volumes(late))),
    )
    return write_frechet_study(out, sets, network)


def write_frechet_study(out: Path, sets: Sets, network: str) -> str:
    """Write frechet_study.csv and frechet_study.md to the folder ``out``.

    ``sets`` are compared by the Fréchet distance of the features of ``network``, which the
    observations must hold. Returns the text of the Markdown file.
    """
    metric = frechet_metric(network)
    rows, difference = table(metric, sets), compare_models(metric, sets)
    write_table(
        out / CSV_FILE,
        COLUMNS,
        [(row.experiment, row.description, row.score.n, *_numbers(row), row.study) for row in rows],
    )
    text = "\n".join(_markdown(rows, difference, sets, network))
    (out / TEXT_FILE).write_text(text + "\n")
    return text


def _numbers(row: Row) -> tuple[float, float, float]:
    return row.score.value, row.score.low, row.score.high


def _markdown(
    rows: Sequence[Row], difference: Difference, sets: Sets, network: str
) -> Iterator[str]:
    yield "# The Fréchet distance of an early and of a late model\n"
    yield f"{difference.sentence()}\n"
    yield f"| | volumes | n | Fréchet distance, {network} | interval | study |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        value, low, high = (f"{number:.4g}" for number in _numbers(row))
        yield (
            f"| {row.experiment} | {row.description} | {row.score.n} | {value} | {low} to {high} "
            f"| {row.study} |"
        )
    used = len(same_number(sets)[0])
    yield (
        f"\nThe table uses {used} of {len(sets.early)} early and {used} of {len(sets.late)} late "
        f"samples, and {len(sets.real)} real scans. n is the number of volumes, and intervals are "
        "95 % over volumes. The distance falls as n grows, so rows with different n cannot be "
        "compared."
    )
    if network == RANDOM:
        yield "\nThe network's weights are random: it responds to edges and texture, not to organs."
    yield (
        f"\nThe study's values are from {SOURCE}. Its early model was trained for "
        f"{STUDY_EARLY_EPOCH} epochs, its late one for {STUDY_LATE_EPOCH}. It does not describe "
        "its slices or their scaling, so only the order of the values can be compared."
    )
