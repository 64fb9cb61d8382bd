"""``pancreatune prepare``: a cohort without a sweep."""

from typing import Annotated

import typer
from rich.console import Console

from ldm.config import InputSize
from orchestration.option_types import WHAT
from orchestration.options import SweepOptions, takes_sweep_options
from pancreatune.exit_code import exit_with

EXAMPLES = """
Examples

  # phantoms, all input sizes, and a contact sheet of each to look at
  pancreatune prepare --crop pancreas

  # what a hospital exports, one DICOM series in a folder; one input size
  pancreatune prepare --crop full-body --data EXPORT
      --input-size fit --allow-phantom-weights
"""


@takes_sweep_options(
    "crop",
    "data",
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
            help="How a crop is sized onto the model's grid; repeatable. Default: all three.",
            rich_help_panel=WHAT,
        ),
    ] = None,
) -> None:
    """Cut, size and encode each scan once.

    A contact sheet for each input size shows what the model will see. A sweep does the same first.
    """

    def run() -> int:
        from orchestration.prepare import prepare_cohort

        return prepare_cohort(options, tuple(input_size or InputSize), Console())

    exit_with(run)
