"""``pancreatune readers``: prepare a reader study, and score its ratings."""

from pathlib import Path
from typing import Annotated

import typer

from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # draw pictures of samples and real scans for the readers
  pancreatune readers prepare --samples samples --real real --out study
      --seed 7

  # evaluate the ratings that two readers sent back
  pancreatune readers score --ratings anna.csv --ratings ben.csv
      --key study/key.csv --out study/scores
"""

readers = typer.Typer(
    rich_markup_mode="rich",
    no_args_is_help=True,
    epilog=EXAMPLES,
    help="Let clinicians rate samples and real scans blindly.",
)


@readers.command()
def prepare(
    samples: Annotated[Path, typer.Option(metavar="DIR", help="Samples as NIfTI files.")],
    real: Annotated[
        Path, typer.Option(metavar="DIR", help="Real scans with as many voxels as the samples.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="A new or empty folder for the pictures.")
    ],
    seed: Annotated[int, typer.Option(metavar="N", help="Seed for the order of the cases.")],
) -> None:
    """Write blinded pictures for the readers, and a key to the cases for you.

    The readers fill in the file ratings.csv next to the pictures.
    """

    def run() -> int:
        from evaluation.readers.cases import FOR_READERS, KEY_FILE, prepare_cases

        cases = prepare_cases(samples, real, out, seed=seed)
        typer.echo(f"Wrote {len(cases)} cases. Give {out / FOR_READERS} to the readers.")
        typer.echo(f"Keep {out / KEY_FILE} to yourself: it says which cases are real.")
        return 0

    exit_with(run)


@readers.command()
def score(
    ratings: Annotated[
        list[Path],
        typer.Option(metavar="CSV", help="A filled-in ratings.csv. Repeat for each reader."),
    ],
    key: Annotated[Path, typer.Option(metavar="CSV", help="The key.csv of these cases.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the result.")],
) -> None:
    """Write mean ratings of real and synthetic cases.

    If several readers rated the cases, also writes how well they agree.
    """

    def run() -> int:
        from evaluation.readers.ratings import read_key, read_ratings
        from evaluation.readers.scores import write_reader_scores

        write_reader_scores(read_ratings(ratings, read_key(key)), out)
        typer.echo((out / "readers.md").read_text())
        return 0

    exit_with(run)
