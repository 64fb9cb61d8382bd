"""Train an autoencoder for CT in this process alone, as the shipped weights were.

``pancreatune train-autoencoder`` does the same with Ray and MLflow.

The weights that ship with this package are made in half an hour on one core with

    OMP_NUM_THREADS=1 python -m ldm.autoencoder.training --to DIR

and written to ``DIR/autoencoder.safetensors``.
"""

from pathlib import Path
from typing import Annotated

import typer

from ldm.autoencoder.recipes import AutoencoderRecipe
from ldm.config import Crop
from ldm.errors import PancreatuneError

EXAMPLES = """
Examples

  # train the shipped weights on phantoms, in half an hour on one core
  python -m ldm.autoencoder.training --to my-autoencoder

  # real CT at the study's resolution, from random weights, on a GPU; repeat the command to resume
  python -m ldm.autoencoder.training --recipe full --data Task07_Pancreas
      --crop full-body --crop pancreas --perceptual resnet50.pth --to my-autoencoder
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
def main(
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="Output folder. Use the same folder to resume.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of scans: Task07 or DICOM series. Default: phantoms."
        ),
    ] = None,
    crop: Annotated[
        list[Crop] | None, typer.Option(help="Crop to train on; repeatable. Default: all.")
    ] = None,
    recipe: Annotated[
        AutoencoderRecipe,
        typer.Option(
            help="demo: as the shipped weights. full: the network and losses of MONAI's bundle, "
            "with our learning rate, batches and patches, from random weights."
        ),
    ] = AutoencoderRecipe.DEMO,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Training steps. Default: the recipe's.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the training.")] = 0,
    perceptual: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of torchvision's ResNet-50 for a perceptual loss. Default: no such loss.",
        ),
    ] = None,
    hash_cases: Annotated[
        bool,
        typer.Option("--hash-cases", help="Name cases by a salted hash instead of their names."),
    ] = False,
) -> None:
    """Train an autoencoder on CT scans, without Ray and MLflow.

    Its error, PSNR and SSIM are measured on held-out scans.
    """
    from ldm.autoencoder.local import train_here  # imported late: --help needs no torch
    from ldm.autoencoder.request import AutoencoderRequest

    request = AutoencoderRequest(
        to=to.expanduser().absolute(),
        data=data and data.expanduser().absolute(),
        crops=tuple(crop or Crop),
        recipe=recipe,
        n_steps=steps,
        seed=seed,
        perceptual=perceptual and perceptual.expanduser().absolute(),
        hides_names=hash_cases,
    )
    try:
        for line in train_here(request):
            typer.echo(line)
    except PancreatuneError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    app()
