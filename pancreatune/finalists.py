"""``pancreatune finalists``: the Pareto-optimal trials, scored once more and finer."""

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
            help="A study in the storage folder; repeatable. Default: all of them.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    totalsegmentator_weights: SegmenterOption = None,
    allow_phantom_weights: PhantomWeightsOption = False,
) -> None:
    """Score the Pareto-optimal trials once more, finer.

    Their samples are scored by TotalSegmentator at 1.5 mm and 3 mm. What is scored is kept: the
    same command again scores what is new, and tells MLflow what it does not know yet.
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
