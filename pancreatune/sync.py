"""``pancreatune sync``: send records to MLflow that a sweep could not send."""

from pathlib import Path
from typing import Annotated

import typer

from pancreatune.exit_code import exit_with


def sync(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="The folder of the study, which the sweep printed."),
    ],
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            metavar="URI", help="The MLflow server to send to. Default: that of the sweep."
        ),
    ] = None,
) -> None:
    """Send the records to MLflow that a sweep could not send.

    If MLflow does not accept them, they are kept for the next try and the exit code is 1.
    """

    def run() -> int:
        from orchestration.tracking.waiting import send_study

        return send_study(folder, tracking_uri)

    exit_with(run)
