"""How a command ends."""

from collections.abc import Callable

from rich.console import Console

from ldm.errors import PancreatuneError
from orchestration.no_telemetry import switch_off_telemetry


def exit_code(run: Callable[[], int]) -> int:
    """The exit code of a command; 2, and one red line, for what the user can mend."""
    switch_off_telemetry()
    try:
        return run()
    except PancreatuneError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        return 2
