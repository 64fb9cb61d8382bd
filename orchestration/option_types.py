"""The types of the options that several commands share, as Typer reads them."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from ldm.data.cohort.mask_labels import OPTION_LAYOUT

STORAGE = "pancreatune-results"
WHAT, HOW, WHERE, WEIGHTS = "What is generated", "How it is searched", "Where it runs", "Weights"


def moment_s(text: str) -> float:
    """Return the Unix time of a time in ISO format, which is local unless it has an offset.

    Raises typer.BadParameter if the text is not such a time.
    """
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise typer.BadParameter(f"must be a time such as 2026-01-31T06:00: {error}") from error


DataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="The CT scans: a folder in the layout of Task07_Pancreas or of another public cohort, "
        "or of DICOM series. "
        "Default: 40 generated phantoms.",
        rich_help_panel=WHAT,
    ),
]
LabelsOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help=f"What the labels of masks stand for, such as {OPTION_LAYOUT}. Default: the names in "
        "dataset.json, or those of a public cohort.",
        rich_help_panel=WHAT,
    ),
]
HashCasesOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--hash-cases",
        help="Name cases by salted hashes, so that no file or folder name appears in the results.",
        rich_help_panel=WHAT,
    ),
]
HoldsPancreasOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--semi-body-holds-pancreas",
        help="For the crop semi-body, take the largest cube that holds the pancreas, as its mask "
        "shows it. Default: the largest cube, as in the study, which may lie beside it.",
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
        help="Where all results are stored: a folder, or s3://BUCKET/PREFIX with the usual AWS_* "
        "variables. Run the same command with the same storage to resume.",
        rich_help_panel=WHERE,
    ),
]
TrackingOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        envvar="MLFLOW_TRACKING_URI",
        help="An MLflow server. Default: a database in the storage folder. If the storage is a "
        "URL, the database is in this machine's copy of it.",
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
        help="Folder of TotalSegmentator's weights. Default, for phantoms only: weights that come "
        "with this program.",
        rich_help_panel=WEIGHTS,
    ),
]
PhantomWeightsOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--allow-phantom-weights",
        help="Allow weights that were trained on phantoms for real scans. To try the program: the "
        "results mean nothing.",
        rich_help_panel=WEIGHTS,
    ),
]
