"""Options that several commands share: the type of each, as Typer reads it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

STORAGE = "pancreatune-results"
WHAT, HOW, WHERE, WEIGHTS = "What is generated", "How it is searched", "Where it runs", "Weights"


def moment_s(text: str) -> float:
    """Unix time of an ISO time; one without an offset is local."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise typer.BadParameter(f"a time like 2026-01-31T06:00 is needed: {error}") from error


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
        help="Name cases by a salted hash instead of the names of their files and folders.",
        rich_help_panel=WHAT,
    ),
]
UntilOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--until",
        parser=moment_s,
        metavar="TIME",
        help="Stop by this time (2026-01-31T06:00). No trial is started that could not finish; "
        "running trials are paused and resume next time.",
        rich_help_panel=HOW,
    ),
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
