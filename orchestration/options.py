"""The options of the command lines, each said once."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from ldm.config import Crop, InputSize
from ldm.errors import PancreatuneError
from orchestration.arguments import RecipeName
from orchestration.no_telemetry import switch_off_telemetry
from orchestration.settings import Space

WHAT, HOW, WHERE, WEIGHTS = "What is generated", "How it is searched", "Where it runs", "Weights"

CropOption: TypeAlias = Annotated[
    Crop, typer.Option(help="Where scans are cut.", rich_help_panel=WHAT)
]
DataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="A folder in the Task07 layout, or of DICOM series. Without it, 40 phantoms.",
        rich_help_panel=WHAT,
    ),
]
HashCasesOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--hash-cases",
        help="Know cases by a salted hash, not by the names of their files and folders.",
        rich_help_panel=WHAT,
    ),
]
RecipeOption: TypeAlias = Annotated[
    RecipeName,
    typer.Option(
        help="demo: small, for two CPU cores. full: the study's size with our choices. "
        "thesis: the study's way.",
        rich_help_panel=WHAT,
    ),
]
InputSizeOption: TypeAlias = Annotated[
    list[InputSize] | None,
    typer.Option(
        "--input-size",
        help="How a crop is sized onto the model's grid; repeatable. Default: all three.",
        rich_help_panel=WHAT,
    ),
]
SpaceOption: TypeAlias = Annotated[
    Space,
    typer.Option(
        help="default: Optuna searches. extended: objective and whitening too. thesis: exactly "
        "the study's models of this crop.",
        rich_help_panel=HOW,
    ),
]
TrialsOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Trials in all, finished ones included. Default: 4, or all of the study's models.",
        rich_help_panel=HOW,
    ),
]


def moment_s(text: str) -> float:
    """Unix time of an ISO time; one without an offset is local."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise typer.BadParameter(f"a time like 2026-01-31T06:00 is needed: {error}") from error


UntilOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        parser=moment_s,
        metavar="TIME",
        help="Have ended by this time (2026-01-31T06:00): no trial starts that would not, what "
        "still trains is paused and goes on with the next sweep.",
        rich_help_panel=HOW,
    ),
]
NightOption: TypeAlias = Annotated[
    str | None, typer.Option("--nightly", metavar="NAME", help="The night's name.", hidden=True)
]
RescoreOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--rescore", metavar="DIR|URL", help="Weights to score once more.", hidden=True),
]
OutcomeOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--outcome", metavar="FILE|URL", help="Where to write how the sweep ended.", hidden=True
    ),
]
EpochsOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=2,
        metavar="N",
        help="Epochs of a trial; milestones keep their place. Default: the recipe's.",
        rich_help_panel=HOW,
    ),
]
SeedOption: TypeAlias = Annotated[
    int,
    typer.Option(metavar="N", help="Of search, training and phantoms.", rich_help_panel=HOW),
]
DryRunOption: TypeAlias = Annotated[
    bool,
    typer.Option("--dry-run", help="Print what would run, on what, and stop.", rich_help_panel=HOW),
]
StorageOption: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="DIR|URL",
        help="Where everything is kept: a folder, or s3://BUCKET/PREFIX with the usual AWS_* "
        "variables. The same command with the same storage resumes.",
        rich_help_panel=WHERE,
    ),
]
StudyOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--study",
        metavar="NAME",
        help="A study in the storage folder; repeatable. Default: all of them.",
        rich_help_panel=WHAT,
    ),
]
TrackingOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        envvar="MLFLOW_TRACKING_URI",
        help="An MLflow server. Default: a database in the storage folder, or in this "
        "machine's mirror of a URL, where it is made from what the URL holds.",
        rich_help_panel=WHERE,
    ),
]
AddressOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Join a running Ray cluster (`auto` or HOST:PORT). Default: start a local one.",
        rich_help_panel=WHERE,
    ),
]
WorkersOption: TypeAlias = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Workers that share each batch of a trial, a GPU each.",
        rich_help_panel=WHERE,
    ),
]
MicroBatchOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Scans that a worker computes at once, for a small card. Default: its whole share.",
        rich_help_panel=WHERE,
    ),
]
CompileOption: TypeAlias = Annotated[
    bool,
    typer.Option("--compile", help="Compile it by torch.compile.", rich_help_panel=WHERE),
]
AutoencoderOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The autoencoder's weights. Default: ours, trained on phantoms, recipe demo only.",
        rich_help_panel=WEIGHTS,
    ),
]
SegmenterOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="TOTALSEG_WEIGHTS_PATH",
        help="TotalSegmentator's weights folder. On phantoms, ours by default.",
        rich_help_panel=WEIGHTS,
    ),
]
PhantomWeightsOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--allow-phantom-weights",
        help="Let weights that know only phantoms stand in for missing ones on real scans.",
        rich_help_panel=WEIGHTS,
    ),
]
STORAGE = "pancreatune-results"


def exit_code(run: Callable[[], int]) -> int:
    """The exit code of a command; 2, and one red line, for what the user can mend."""
    switch_off_telemetry()
    try:
        return run()
    except PancreatuneError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        return 2
