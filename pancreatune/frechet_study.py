"""``pancreatune frechet-study``: the study's test of the FID, once more."""

from pathlib import Path
from typing import Annotated

import typer

from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # with a network of random weights, offline
  pancreatune frechet-study --real held-out --early epoch_0200 --late epoch_4600
      --out frechet

  # as the study did, with the weights of the FID's Inception-v3
  pancreatune frechet-study --real held-out --early epoch_0200 --late epoch_4600
      --out frechet --features inception=pt_inception-2015-12-05-6726825d.pth
"""


def frechet_study(
    real: Annotated[Path, typer.Option(metavar="DIR", help="Real scans, NIfTI files.")],
    early: Annotated[Path, typer.Option(metavar="DIR", help="Samples early in training.")],
    late: Annotated[Path, typer.Option(metavar="DIR", help="Samples late in training.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the table is put.")],
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NETWORK[=FILE]",
            help="What looks at the slices. Default: a network of random weights.",
        ),
    ] = None,
) -> None:
    """Repeat the study's test of the Fréchet distance.

    Does it rank a model late in training nearer to real scans than the same model early?
    """

    def run() -> int:
        from evaluation.frechet_study import study_folders

        typer.echo(study_folders(real, early, late, features=features, out=out))
        return 0

    exit_with(run)
