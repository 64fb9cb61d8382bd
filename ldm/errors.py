"""Errors that a user can fix. Programs print their message without a stack trace."""

from collections.abc import Sequence
from typing import Any


class PancreatuneError(Exception):
    """Base class of all errors that a user can fix."""


class InputError(PancreatuneError):
    """A file, folder or option is not valid.

    The parts of the message are kept as attributes, so that no program needs to parse the text.

    Parameters
    ----------
    rule
        What must hold: "crop needs 96 mm along z".
    seen
        What was found instead, as a clause: "got 3" or "scan pancreas_017 has 71.5 mm".
    place
        The file, folder, option or trial with the problem, unless ``rule`` or ``seen`` names it.
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
        """Return the whole message: "crop needs 96 mm, scan a has 71 mm: exclude it".

        It has one line, unless there are details.
        """
        if not self.remedy:
            return self.finding
        separator = "\n  " if self.details else ": "
        return f"{self.finding}{separator}{self.remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the parts when the error is pickled, for example on its way to another process."""
        names = ("seen", "place", "remedy", "details")
        return type(self), (self.rule,), {name: getattr(self, name) for name in names}


class ScanError(InputError):
    """A scan cannot be used. The message becomes the reason for its exclusion from the cohort."""


class NonFiniteLossError(PancreatuneError):
    """The loss became infinite or NaN, so the training has failed."""


def require(holds: bool, rule: str, value: object) -> None:
    """Raise ``InputError`` with the rule and the offending value if ``holds`` is False."""
    if not holds:
        raise InputError(rule, seen=f"got {value}")
