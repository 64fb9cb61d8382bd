"""``pancreatune nightly``: a night's search, unattended."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestration.option_types import UntilOption
from pancreatune.exit_code import exit_with


def nightly(
    config: Annotated[Path, typer.Option(metavar="FILE", help="What a night runs: nightly.yaml.")],
    until_s: UntilOption = None,
) -> None:
    """Continue the studies until a set hour, and report.

    Exit code 0: nothing needs a person. 1: the report's first line says what does. 2: the
    configuration is wrong, or its storage cannot be reached. 75: another night holds the storage.
    """

    def run() -> int:
        from orchestration.nightly import run_night

        console = Console(soft_wrap=True, highlight=False, markup=False)
        return run_night(config, until_s, console)

    exit_with(run)
