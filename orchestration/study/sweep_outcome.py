"""Store how a sweep ended, for the program that started it.

``pancreatune nightly`` starts sweeps as processes or as jobs of a cluster. It names a file with the
hidden option ``--outcome`` and reads there how the sweep ended. A sweep that was killed leaves no
file.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ldm.errors import InputError, PancreatuneError
from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.storage.mirror import sharing_of

USER_ERROR, INTERRUPTED = 2, 130  # exit codes; 130 is a shell's code for Ctrl-C


class SweepState(StrEnum):
    """How a sweep ended.

    ``concluded``: it ran to its end and wrote its results, even if trials failed. ``refused``: it
    stopped with an error that a user can fix. ``interrupted``: it was stopped by Ctrl-C.
    """

    CONCLUDED = "concluded"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepError:
    """The error that stopped a sweep: its message, and the parts of an InputError."""

    message: str
    rule: str = ""
    seen: str = ""
    place: str = ""
    remedy: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOutcome:
    """How a sweep ended.

    Attributes
    ----------
    state
        How it ended.
    exit_code
        The exit code of its process.
    n_trials
        Number of the study's trials in each state. Empty unless the sweep concluded.
    results
        Folder or URL of the study. Empty unless the sweep concluded.
    error
        The error that stopped it. None unless it was refused.
    """

    state: SweepState
    exit_code: int
    n_trials: dict[str, int]
    results: str
    error: SweepError | None


def concluded(trial_states: Iterable[str], *, results: str, exit_code: int) -> SweepOutcome:
    """Return the outcome of a sweep that ran to its end.

    ``trial_states`` has one state for each trial of the study. ``results`` is the folder or URL of
    the study, and ``exit_code`` that of the sweep.
    """
    return SweepOutcome(
        state=SweepState.CONCLUDED,
        exit_code=exit_code,
        n_trials=dict(Counter(trial_states)),
        results=results,
        error=None,
    )


def broken_off(error: BaseException) -> SweepOutcome | None:
    """Return the outcome of a sweep that an error or Ctrl-C stopped.

    Returns None for any other exception, which is a bug.
    """
    if isinstance(error, PancreatuneError):
        state, exit_code, cause = SweepState.REFUSED, USER_ERROR, _recorded(error)
    elif isinstance(error, KeyboardInterrupt):
        state, exit_code, cause = SweepState.INTERRUPTED, INTERRUPTED, None
    else:
        return None
    return SweepOutcome(state=state, exit_code=exit_code, n_trials={}, results="", error=cause)


def _recorded(error: PancreatuneError) -> SweepError:
    if not isinstance(error, InputError):
        return SweepError(message=str(error))
    return SweepError(
        message=str(error),
        rule=error.rule,
        seen=error.seen,
        place=error.place,
        remedy=error.remedy,
        details=error.details,
    )


class OutcomeFile:
    """Writes how a sweep ended to ``address``, a file or an object in the URL ``storage``.

    As a context manager, it writes the outcome if an error leaves the block, and does not catch the
    error. Does nothing if the address is None.
    """

    def __init__(self, address: str | None, storage: str) -> None:
        self._address, self._storage = address, storage

    def __enter__(self) -> "OutcomeFile":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and (outcome := broken_off(error)):
            self.write(outcome)

    def write(self, outcome: SweepOutcome) -> None:
        """Write the outcome, and push it if the storage is a URL.

        If this fails, it logs a warning, so as not to hide the error of the sweep.
        """
        if self._address is None:
            return
        try:
            sharing = sharing_of(self._storage)
            path = sharing.place(self._address)
            write_dataclass(path, outcome)
            sharing.push(path)
        except (OSError, InputError) as error:
            logging.getLogger(__name__).warning("%s was not written: %s", self._address, error)


def read_sweep_outcome(path: Path) -> SweepOutcome | None:
    """Read how a sweep ended.

    Returns None if there is no file. Raises InputError if the file is damaged.
    """
    return read_dataclass(SweepOutcome, path) if path.is_file() else None
