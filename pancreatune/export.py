"""``pancreatune export``: write a MONAI bundle of a trained model."""

from pathlib import Path
from typing import Annotated

import typer

from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # export the epoch that stands for a trial, then sample from the bundle without pancreatune
  pancreatune export pancreatune-results/pancreas-demo-default/trials/ID --to my-bundle
  python -m pip install monai einops fire nibabel safetensors
  python -m monai.bundle run --config_file my-bundle/configs/inference.json

  # export an earlier epoch of a sweep that was given an autoencoder
  pancreatune export pancreatune-results/pancreas-full-default/trials/ID/epoch_0200
      --to my-bundle --autoencoder model_autoencoder.pt
"""


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a trial, or of one of its epochs.")
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty folder for the bundle.")],
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The --autoencoder of the sweep. Default, for recipe demo only: the weights that "
            "come with this program.",
        ),
    ] = None,
    spacing_mm: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="X Y Z",
            help="Voxel size of generated samples in mm. Default: as in the samples of the trial.",
        ),
    ] = None,
) -> None:
    """Write a MONAI bundle of a trial's model.

    The bundle generates samples wherever MONAI is installed, without pancreatune.
    """

    def make() -> int:
        from ldm.bundle.card import INSTALL
        from ldm.bundle.writer import check_free, write_bundle
        from orchestration.study.exported_trial import read_trial

        bundle = to.expanduser().absolute()
        check_free(bundle)
        source = read_trial(run, autoencoder=autoencoder, spacing_mm=spacing_mm)
        write_bundle(source, bundle)
        if source.phantom_notice:
            typer.secho(source.phantom_notice, fg="yellow")
        if source.copy_notice:
            typer.secho(source.copy_notice, fg="red")
        typer.echo(f"Wrote epoch {source.sampler.epoch} to {bundle}. To generate samples, run:")
        typer.echo(INSTALL.format(monai="monai"))
        inference = bundle / "configs" / "inference.json"
        typer.echo(f"python -m monai.bundle run --config_file {inference}")
        return 0

    exit_with(make)
