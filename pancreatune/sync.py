"""``pancreatune sync``: what could not be sent to MLflow."""

from pathlib import Path
from typing import Annotated

import typer

from pancreatune.exit_code import exit_with


def sync(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The study's folder, as the sweep printed it.")
    ],
    tracking_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Another MLflow than the one that the sweep was given."),
    ] = None,
) -> None:
    """Send to MLflow what a sweep could not send.

    Exit code 1 if MLflow does not take it: the records are kept, and the same command tries again.
    """

    def run() -> int:
        from orchestration.tracking.waiting import send_study

        return send_study(folder, tracking_uri)

    exit_with(run)
