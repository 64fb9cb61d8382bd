"""``pancreatune nightly``: search unattended until the morning."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestration.option_types import UntilOption
from pancreatune.exit_code import exit_with


def nightly(
    config: Annotated[
        Path, typer.Option(metavar="FILE", help="The settings of the night: nightly.yaml.")
    ],
    until_s: UntilOption = None,
) -> None:
    """Search until a set hour, then write a report.

    Exit codes: 0 if nothing needs attention, 1 if something does (the first line of the report
    says what), 2 if the configuration is wrong or its storage cannot be reached, 75 if another
    night is using the storage.
    """

    def run() -> int:
        from orchestration.nightly import run_night

        console = Console(soft_wrap=True, highlight=False, markup=False)
        return run_night(config, until_s, console)

    exit_with(run)
