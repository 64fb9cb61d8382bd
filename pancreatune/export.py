"""``pancreatune export``: a MONAI bundle of a trained model."""

from pathlib import Path
from typing import Annotated

import typer

from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # the last epoch of a trial; then samples of it, with nothing of pancreatune
  pancreatune export pancreatune-results/pancreas-demo-default/trials/ID --to my-bundle
  python -m monai.bundle run --config_file my-bundle/configs/inference.json

  # an earlier epoch; the autoencoder that the sweep was given
  pancreatune export pancreatune-results/pancreas-full-default/trials/ID/epoch_0200
      --to my-bundle --autoencoder model_autoencoder.pt
"""


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A trial's folder, or one of its epoch_NNNN.")
    ],
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="The bundle: a new folder, or an empty one.")
    ],
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The weights that the latents were made with. Default: ours, recipe demo only.",
        ),
    ] = None,
    spacing_mm: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="X Y Z", help="The size of a sample's voxel. Default: as the trial's samples."
        ),
    ] = None,
) -> None:
    """Write a MONAI bundle of a trial's model.

    The bundle samples wherever MONAI is installed.
    """

    def make() -> int:
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
        typer.echo(f"{bundle} holds epoch {source.sampler.epoch}; sample from it anywhere:")
        inference = bundle / "configs" / "inference.json"
        typer.echo(f"python -m monai.bundle run --config_file {inference}")
        return 0

    exit_with(make)
