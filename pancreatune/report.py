"""``pancreatune report``: write the tables and pages of studies again."""

from typing import Annotated

import typer
from rich.console import Console

from orchestration.option_types import STORAGE
from pancreatune.exit_code import exit_with


def report(
    storage: Annotated[
        str,
        typer.Option(
            metavar="DIR|URL", help="The --storage of the sweeps. All studies in it are reported."
        ),
    ] = STORAGE,
) -> None:
    """Write trials.csv and report.html of each study again.

    Needs only the files of the studies, and also works while a sweep runs.
    """

    def run() -> int:
        from orchestration.report import write_reports

        return write_reports(storage, Console())

    exit_with(run)
