"""``pancreatune frechet-study``: repeat the study's test of the FID."""

from pathlib import Path
from typing import Annotated

import typer

from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # with a network of random weights, offline
  pancreatune frechet-study --real held-out --early epoch_0200 --late epoch_4600
      --out frechet

  # as in the study, with the Inception-v3 weights of the FID
  pancreatune frechet-study --real held-out --early epoch_0200 --late epoch_4600
      --out frechet --features inception=pt_inception-2015-12-05-6726825d.pth
"""


def frechet_study(
    real: Annotated[Path, typer.Option(metavar="DIR", help="Real scans as NIfTI files.")],
    early: Annotated[
        Path, typer.Option(metavar="DIR", help="Samples of a model early in its training.")
    ],
    late: Annotated[
        Path, typer.Option(metavar="DIR", help="Samples of the same model late in its training.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the resulting table.")],
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NETWORK[=FILE]",
            help="The network whose features are compared. Default: a network with random weights.",
        ),
    ] = None,
) -> None:
    """Repeat the study's test of the Fréchet distance.

    The test asks whether the distance to real scans is smaller late in training than early.
    """

    def run() -> int:
        from evaluation.frechet_study import compare_folders

        typer.echo(compare_folders(real, early, late, features=features, out=out))
        return 0

    exit_with(run)
