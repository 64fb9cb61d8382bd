"""``pancreatune train-autoencoder``: train an autoencoder for CT."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ldm.autoencoder.recipes import AutoencoderRecipe
from ldm.config import Crop
from ldm.data.cohort.mask_labels import labels_in
from orchestration.option_types import (
    HOW,
    WEIGHTS,
    WHAT,
    WHERE,
    AddressOption,
    DataOption,
    HashCasesOption,
    LabelsOption,
    PhantomWeightsOption,
    SegmenterOption,
    TrackingOption,
)
from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # on generated phantoms, on this machine
  pancreatune train-autoencoder --to my-autoencoder

  # real CT at the size of the study, on a GPU of a cluster; run it again to resume
  pancreatune train-autoencoder --recipe full --data Task07_Pancreas
      --perceptual resnet50.pth --totalsegmentator-weights DIR
      --address auto --to /shared/my-autoencoder

  # search with the new autoencoder
  pancreatune sweep --crop pancreas --recipe full --data Task07_Pancreas
      --autoencoder my-autoencoder/autoencoder.safetensors
"""


def train_autoencoder(
    to: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder for the results, visible to every node. Give the same folder to resume.",
            rich_help_panel=WHERE,
        ),
    ],
    data: DataOption = None,
    labels: LabelsOption = None,
    crop: Annotated[
        list[Crop] | None,
        typer.Option(
            help="A part of the body to train on. Repeat for several. Default: all three.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    recipe: Annotated[
        AutoencoderRecipe,
        typer.Option(
            help="The network and its training. demo: the small network that comes with this "
            "program. full: the network and the losses of MONAI's bundle, with our learning rate, "
            "batches and patches, from random weights.",
            rich_help_panel=WHAT,
        ),
    ] = AutoencoderRecipe.DEMO,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Training steps. Default: as in the recipe.",
            rich_help_panel=HOW,
        ),
    ] = None,
    hash_cases: HashCasesOption = False,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the training.", rich_help_panel=HOW)
    ] = 0,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    perceptual: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of torchvision's ResNet-50 for the perceptual loss. Default: no "
            "perceptual loss.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    totalsegmentator_weights: SegmenterOption = None,
    allow_phantom_weights: PhantomWeightsOption = False,
) -> None:
    """Train an autoencoder on CT.

    Its error in HU, PSNR and SSIM are measured on held-out scans.
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
            labels=labels_in(labels) if labels else None,
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
