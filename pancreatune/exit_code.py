"""Run a command and turn its errors into a message and an exit code."""

import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console

from ldm.errors import PancreatuneError
from orchestration.no_telemetry import switch_off_telemetry
from orchestration.ray_environment import exempt_from_proxy


def exit_with(run: Callable[[], int]) -> NoReturn:
    """Run a command and exit with the code that it returns.

    For an error that the user can fix, prints its message in red on standard error, without a
    traceback, and exits with 2.
    """
    switch_off_telemetry()
    exempt_from_proxy()  # of loopback: Ray's dashboard, tunnels to a cluster, a local MLflow
    try:
        code = run()
    except PancreatuneError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        code = 2
    sys.exit(code)
