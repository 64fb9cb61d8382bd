"""A night's search, unattended: ``python -m orchestration.nightly --config nightly.yaml``."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestration.cluster import present_token
from orchestration.exit_code import exit_code
from orchestration.night.config import read_nightly_config
from orchestration.night.lease import night_lease
from orchestration.night.lock import NightHeldError, night_lock
from orchestration.night.night import REPORTS, Night
from orchestration.option_types import UntilOption
from orchestration.storage.mirror import sharing_of

TRY_LATER = 75  # EX_TEMPFAIL of sysexits.h
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def main(
    config: Annotated[Path, typer.Option(metavar="FILE", help="What a night runs: nightly.yaml.")],
    until: UntilOption = None,
) -> None:
    """Go on with last night's studies until the hour set, and report.

    Exit code 0: nothing needs a person. 1: the report's first line says what does. 2: the
    configuration is wrong, or its storage cannot be reached. 75: another night holds the storage.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)

    def run() -> int:
        night = read_nightly_config(config)
        begun = datetime.now().astimezone()
        end = datetime.fromtimestamp(until).astimezone() if until else night.ends_after(begun)
        if night.cluster or night.address:
            present_token()
        sharing, folder = sharing_of(night.storage), night.folder / REPORTS
        sharing.check(writes=True)
        try:
            with night_lock(folder) as lock, night_lease(folder, sharing, end):
                return Night(night, begun=begun, end=end, lock=lock, console=console).run()
        except NightHeldError as error:
            console.print(str(error))
            return TRY_LATER

    sys.exit(exit_code(run))


if __name__ == "__main__":
    app()
