"""Repeat the study's test of the FID: ``python -m evaluation.frechet_study --real DIR ...``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

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
from evaluation.metric import Observations
from evaluation.observation import Features, Observer
from evaluation.tables import write_table
from evaluation.volume_folder import volumes_in
from ldm.errors import PancreatuneError

CSV_FILE, TEXT_FILE = "frechet_study.csv", "frechet_study.md"
COLUMNS = ("experiment", "description", "n", "value", "low", "high", "study")
EXAMPLES = """
Examples

  # with a network that has random weights and needs no file
  python -m evaluation.frechet_study --real held-out --early epoch_0200 --late epoch_4600
      --out frechet

  # as in the study, with the weights of the FID's Inception-v3
  python -m evaluation.frechet_study --real held-out --early epoch_0200 --late epoch_4600
      --out frechet --features inception=pt_inception-2015-12-05-6726825d.pth
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
def main(
    real: Annotated[Path, typer.Option(metavar="DIR", help="Real scans as NIfTI files.")],
    early: Annotated[
        Path, typer.Option(metavar="DIR", help="Samples of the model early in training.")
    ],
    late: Annotated[
        Path, typer.Option(metavar="DIR", help="Samples of the model late in training.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the table.")],
    features: Annotated[
        str,
        typer.Option(
            metavar="NETWORK[=FILE]", help="The network that computes features, and its weights."
        ),
    ] = RANDOM,
) -> None:
    """Test whether the Fréchet distance ranks a model late in training nearer to real scans."""
    from evaluation.features.networks import load_features  # torch: not for --help

    network, _, file = features.partition("=")
    try:
        look = load_features(network, Path(file) if file else None)
        observed = [_observe(folder, look) for folder in (real, early, late)]
        sets = Sets(real=observed[0], early=observed[1], late=observed[2])
        text = write_study(out, sets, network)
    except PancreatuneError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        raise typer.Exit(2) from error
    typer.echo(text)


def _observe(folder: Path, look: dict[str, Features]) -> Observations:
    observer = Observer(features=look)
    return tuple(observer.observe_all(volumes_in(folder)))


def write_study(out: Path, sets: Sets, network: str) -> str:
    """Write frechet_study.csv and frechet_study.md to ``out``; return the text of the latter."""
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


if __name__ == "__main__":
    app()
