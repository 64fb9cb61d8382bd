"""``pancreatune report``: the files of a study that people read, written again."""

from typing import Annotated

import typer
from rich.console import Console

from orchestration.option_types import STORAGE
from pancreatune.exit_code import exit_with


def report(
    storage: Annotated[
        str,
        typer.Option(
            metavar="DIR|URL", help="The --storage of the sweeps, with all their studies."
        ),
    ] = STORAGE,
) -> None:
    """Write the tables and pages of the studies again.

    They are written from what is in each study's folder, also while its sweep runs.
    """

    def run() -> int:
        from orchestration.report import write_reports

        return write_reports(storage, Console())

    exit_with(run)
