"""Make a MONAI bundle of a trained model: ``python -m orchestration.export RUN --to DIR``."""

from pathlib import Path
from typing import Annotated

import typer

from ldm.errors import PancreatuneError

EXAMPLES = """
Examples

  # the last epoch of a trial; then samples of it, with nothing of pancreatune
  python -m orchestration.export pancreatune-results/pancreas-demo-default/trials/ID --to my-bundle
  python -m monai.bundle run --config_file my-bundle/configs/inference.json

  # an earlier epoch; the autoencoder that the sweep was given
  python -m orchestration.export pancreatune-results/pancreas-full-default/trials/ID/epoch_0200
      --to my-bundle --autoencoder model_autoencoder.pt
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
def main(
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
    """Write a MONAI bundle of a trial's model: it samples wherever MONAI is installed."""
    from ldm.bundle.writer import check_free, write_bundle  # torch and MONAI: not for --help
    from orchestration.study.exported_trial import read_trial

    to = to.expanduser().absolute()
    try:
        check_free(to)
        source = read_trial(run, autoencoder=autoencoder, spacing_mm=spacing_mm)
        write_bundle(source, to)
    except PancreatuneError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        raise typer.Exit(2) from error
    if source.phantom_notice:
        typer.secho(source.phantom_notice, fg="yellow")
    if source.copy_notice:
        typer.secho(source.copy_notice, fg="red")
    typer.echo(f"{to} holds epoch {source.sampler.epoch}; sample from it anywhere:")
    typer.echo(f"python -m monai.bundle run --config_file {to / 'configs' / 'inference.json'}")


if __name__ == "__main__":
    app()
