"""``pancreatune train-autoencoder``: an autoencoder for CT, with Ray and MLflow."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ldm.autoencoder.recipes import AutoencoderRecipe
from ldm.config import Crop
from orchestration.option_types import (
    HOW,
    WEIGHTS,
    WHAT,
    WHERE,
    AddressOption,
    DataOption,
    HashCasesOption,
    PhantomWeightsOption,
    SegmenterOption,
    TrackingOption,
)
from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # phantoms, on this machine
  pancreatune train-autoencoder --to my-autoencoder

  # real CT at the study's size, on a GPU of the lab's cluster; the same command goes on
  pancreatune train-autoencoder --recipe full --data Task07_Pancreas
      --perceptual resnet50.pth --totalsegmentator-weights DIR
      --address auto --to /shared/my-autoencoder

  # then
  pancreatune sweep --crop pancreas --recipe full --data Task07_Pancreas
      --autoencoder my-autoencoder/autoencoder.safetensors
"""


def train_autoencoder(
    to: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="All that is made, reachable from every node. The same folder resumes.",
            rich_help_panel=WHERE,
        ),
    ],
    data: DataOption = None,
    crop: Annotated[
        list[Crop] | None,
        typer.Option(
            help="Where scans are cut; repeatable. Default: all three.", rich_help_panel=WHAT
        ),
    ] = None,
    recipe: Annotated[
        AutoencoderRecipe,
        typer.Option(
            help="demo: the shipped weights. full: MONAI's bundle, from random weights.",
            rich_help_panel=WHAT,
        ),
    ] = AutoencoderRecipe.DEMO,
    steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Default: the recipe's.", rich_help_panel=HOW),
    ] = None,
    hash_cases: HashCasesOption = False,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of the training.", rich_help_panel=HOW)
    ] = 0,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    perceptual: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A ResNet-50 of torchvision for the perceptual loss, else there is none.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    totalsegmentator_weights: SegmenterOption = None,
    allow_phantom_weights: PhantomWeightsOption = False,
) -> None:
    """Train an autoencoder on CT.

    Held-out scans tell its error in HU, its PSNR and its SSIM.
    """

    def run() -> int:
        from ldm.autoencoder.request import AutoencoderRequest
        from orchestration.autoencoder.session import run_session

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
        return run_session(
            request,
            tracking_uri=tracking_uri,
            address=address,
            segmenter_weights=totalsegmentator_weights,
            allow_phantom_weights=allow_phantom_weights,
            console=Console(),
        )

    exit_with(run)
