"""What goes wrong for reasons that a user can mend. A program prints these without a trace."""


class PancreatuneError(Exception):
    """The message states the rule, the value, which file or trial, and what to do."""


class InputError(PancreatuneError):
    """A file, folder or option that is not what it has to be."""


class ScanError(InputError):
    """One scan cannot be used: the reason for which a cohort leaves it out."""


class NonFiniteLossError(PancreatuneError):
    """Training diverged; the trial has failed."""


def require(holds: bool, rule: str, value: object) -> None:
    """Raise InputError with the rule and the value that breaks it."""
    if not holds:
        raise InputError(f"{rule}, got {value}")
