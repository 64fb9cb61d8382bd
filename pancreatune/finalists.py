"""``pancreatune finalists``: score the Pareto-optimal trials at a finer resolution."""

from typing import Annotated

import typer
from rich.console import Console

from orchestration.option_types import (
    STORAGE,
    WHAT,
    PhantomWeightsOption,
    SegmenterOption,
    StorageOption,
)
from pancreatune.exit_code import exit_with


def finalists(
    storage: StorageOption = STORAGE,
    study: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A study in the storage folder. Repeat for several. Default: all of them.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    totalsegmentator_weights: SegmenterOption = None,
    allow_phantom_weights: PhantomWeightsOption = False,
) -> None:
    """Score the Pareto-optimal trials at a finer resolution.

    TotalSegmentator segments their samples at 1.5 mm and 3 mm, where the search uses 3 mm and
    6 mm. Scores are kept: running the command again only scores what is new, and sends to MLflow
    what it has not received.
    """

    def run() -> int:
        from orchestration.finalists import score_finalists

        return score_finalists(
            storage,
            study or [],
            weights=totalsegmentator_weights,
            allow_phantom=allow_phantom_weights,
            console=Console(),
        )

    exit_with(run)
