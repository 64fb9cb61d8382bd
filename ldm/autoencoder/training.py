"""Train an autoencoder for CT in this process alone, as the shipped weights were.

``pancreatune train-autoencoder`` does the same with Ray and MLflow.

The weights that ship with the package are made, in half an hour of one core, by

    OMP_NUM_THREADS=1 python -m ldm.autoencoder.training --to DIR

and are ``DIR/autoencoder.safetensors``.
"""

from pathlib import Path
from typing import Annotated

import typer

from ldm.autoencoder.recipes import AutoencoderRecipe
from ldm.config import Crop
from ldm.errors import PancreatuneError

EXAMPLES = """
Examples

  # the shipped weights: phantoms, half an hour of one core
  python -m ldm.autoencoder.training --to my-autoencoder

  # real CT at the study's size, from random weights, on a GPU; the same command goes on
  python -m ldm.autoencoder.training --recipe full --data Task07_Pancreas
      --crop full-body --crop pancreas --perceptual resnet50.pth --to my-autoencoder
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
def main(
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="All that is made. The same folder resumes.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A Task07 folder, or DICOM series. Default: phantoms."),
    ] = None,
    crop: Annotated[
        list[Crop] | None, typer.Option(help="Where scans are cut; repeatable. Default: all.")
    ] = None,
    recipe: Annotated[
        AutoencoderRecipe,
        typer.Option(help="demo: the shipped weights. full: MONAI's bundle, from random weights."),
    ] = AutoencoderRecipe.DEMO,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Default: the recipe's.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the training.")] = 0,
    perceptual: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A ResNet-50 of torchvision for the perceptual loss, else there is none.",
        ),
    ] = None,
    hash_cases: Annotated[
        bool,
        typer.Option("--hash-cases", help="Know cases by a salted hash, not by their names."),
    ] = False,
) -> None:
    """Train an autoencoder on CT, without Ray and MLflow.

    Held-out scans tell its error in HU, its PSNR and its SSIM.
    """
    from ldm.autoencoder.local import train_here  # torch and MONAI: not for --help
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
