"""``pancreatune prepare``: prepare the scans without a sweep."""

from typing import Annotated

import typer
from rich.console import Console

from ldm.config import InputSize
from orchestration.option_types import WHAT
from orchestration.options import SweepOptions, takes_sweep_options
from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # generated phantoms in all input sizes, with a contact sheet of each
  pancreatune prepare --crop pancreas

  # a hospital's export with one DICOM series per folder, in one input size
  pancreatune prepare --crop full-body --data EXPORT
      --input-size fit --allow-phantom-weights
"""


@takes_sweep_options(
    "crop",
    "semi_body_holds_pancreas",
    "data",
    "labels",
    "hash_cases",
    "recipe",
    "seed",
    "storage",
    "tracking_uri",
    "address",
    "autoencoder",
    "totalsegmentator_weights",
    "allow_phantom_weights",
)
def prepare(
    options: SweepOptions,
    input_size: Annotated[
        list[InputSize] | None,
        typer.Option(
            help="How crops are resized to the model's grid. Repeat for several. Default: all.",
            rich_help_panel=WHAT,
        ),
    ] = None,
) -> None:
    """Crop, resize and encode the scans.

    A contact sheet for each input size shows what the model will see. A sweep does this by itself
    before it trains.
    """

    def run() -> int:
        from orchestration.prepare import prepare_cohort

        return prepare_cohort(options, tuple(input_size or InputSize), Console())

    exit_with(run)
