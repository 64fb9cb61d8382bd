"""``pancreatune readers``: a reader study, first ``prepare``, then ``score``."""

from pathlib import Path
from typing import Annotated

import typer

from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # pictures to rate, real scans among them
  pancreatune readers prepare --samples samples --real real --out study
      --seed 7

  # what two readers sent back
  pancreatune readers score --ratings anna.csv --ratings ben.csv
      --key study/key.csv --out study/scores
"""

readers = typer.Typer(
    rich_markup_mode="rich",
    no_args_is_help=True,
    epilog=EXAMPLES,
    help="Have clinicians rate samples and real scans, blinded.",
)


@readers.command()
def prepare(
    samples: Annotated[Path, typer.Option(metavar="DIR", help="Samples, NIfTI files.")],
    real: Annotated[Path, typer.Option(metavar="DIR", help="Real scans on the samples' grid.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder, or an empty one.")],
    seed: Annotated[int, typer.Option(metavar="N", help="Of the order of the cases.")],
) -> None:
    """Write blinded pictures and an empty ratings.csv, and the key apart from them."""

    def run() -> int:
        from evaluation.readers.cases import FOR_READERS, KEY_FILE, prepare_cases

        cases = prepare_cases(samples, real, out, seed=seed)
        typer.echo(f"{len(cases)} cases: give {out / FOR_READERS} to the readers")
        typer.echo(f"keep {out / KEY_FILE}: it says what is real")
        return 0

    exit_with(run)


@readers.command()
def score(
    ratings: Annotated[
        list[Path], typer.Option(metavar="CSV", help="Filled in; repeatable, one a reader.")
    ],
    key: Annotated[Path, typer.Option(metavar="CSV", help="The key.csv of these cases.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where tables and text are put.")],
) -> None:
    """Mean ratings of real and of synthetic cases, and how far the readers agree."""

    def run() -> int:
        from evaluation.readers.ratings import read_key, read_ratings
        from evaluation.readers.scores import write_scores

        write_scores(read_ratings(ratings, read_key(key)), out)
        typer.echo((out / "readers.md").read_text())
        return 0

    exit_with(run)
