"""Errors that a user can fix. A program prints them as one message, without a stack trace."""

from collections.abc import Sequence
from typing import Any


class PancreatuneError(Exception):
    """Base class of all errors that a user can fix."""


class InputError(PancreatuneError):
    """A file, folder or option is not what it has to be.

    The parts of the message are kept, so that no program has to take the text apart.

    Parameters
    ----------
    rule
        What must hold: "crop needs 96 mm along z".
    seen
        What was found instead, as a clause: "got 3" or "scan pancreas_017 has 71.5 mm".
    place
        The file, folder, option or trial it was found in, if ``rule`` and ``seen`` do not name it.
    remedy
        What the user can do: "lower the margin or exclude the scan".
    details
        One line each, if several things break the rule. The message shows them indented.
    """

    def __init__(
        self,
        rule: str,
        *,
        seen: str = "",
        place: object = "",
        remedy: str = "",
        details: Sequence[str] = (),
    ) -> None:
        self.rule, self.seen, self.place, self.remedy = rule, seen, str(place), remedy
        self.details = tuple(details)
        super().__init__(rule)

    @property
    def finding(self) -> str:
        """The message without the remedy."""
        text = f"{self.rule}, {self.seen}" if self.seen else self.rule
        text = f"{self.place}: {text}" if self.place else text
        return "\n  ".join([f"{text}:", *self.details]) if self.details else text

    def __str__(self) -> str:
        """The whole message: "crop needs 96 mm, scan a has 71 mm: exclude it".

        It has one line, unless there are details.
        """
        if not self.remedy:
            return self.finding
        separator = "\n  " if self.details else ": "
        return f"{self.finding}{separator}{self.remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the parts when the error crosses to another process."""
        names = ("seen", "place", "remedy", "details")
        return type(self), (self.rule,), {name: getattr(self, name) for name in names}


class ScanError(InputError):
    """One scan cannot be used. Its message is the reason for leaving it out of the cohort."""


class NonFiniteLossError(PancreatuneError):
    """Training diverged, so the trial has failed."""


def require(holds: bool, rule: str, value: object) -> None:
    """Raise InputError with the rule and the value that breaks it, unless the rule holds."""
    if not holds:
        raise InputError(rule, seen=f"got {value}")
