"""How every command ends."""

import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console

from ldm.errors import PancreatuneError
from orchestration.no_telemetry import switch_off_telemetry


def exit_with(run: Callable[[], int]) -> NoReturn:
    """Run a command and exit with the code that it returns.

    An error that the user can mend is one red line on standard error, without a traceback, and
    exit code 2.
    """
    switch_off_telemetry()
    try:
        code = run()
    except PancreatuneError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        code = 2
    sys.exit(code)
