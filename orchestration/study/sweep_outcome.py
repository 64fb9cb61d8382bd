"""How a sweep ended, as a file for whoever started it.

A night starts its sweeps as processes or as jobs of a cluster. It names a file by the hidden option
``--outcome``, and reads there how the sweep ended. A sweep that is killed leaves no file.
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

USER_ERROR, INTERRUPTED = 2, 130  # exit codes; a shell has 130 for Ctrl-C


class SweepState(StrEnum):
    """How a sweep ended.

    ``concluded``: it came to its end and wrote its results, even if trials failed.
    ``refused``: it stopped with an error that a user can fix. ``interrupted``: by Ctrl-C.
    """

    CONCLUDED = "concluded"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepError:
    """The error that stopped a sweep: its whole message, and its parts as in InputError."""

    message: str
    rule: str = ""
    seen: str = ""
    place: str = ""
    remedy: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOutcome:
    """The end of a sweep.

    ``n_trials`` counts the study's trials by their state. ``results`` is the folder or URL of the
    study. Both are empty unless the sweep concluded. ``error`` is None unless it was refused.
    """

    state: SweepState
    exit_code: int
    n_trials: dict[str, int]
    results: str
    error: SweepError | None


def concluded(trial_states: Iterable[str], *, results: str, exit_code: int) -> SweepOutcome:
    """The outcome of a sweep that came to its end, with the state of each trial of the study."""
    return SweepOutcome(
        state=SweepState.CONCLUDED,
        exit_code=exit_code,
        n_trials=dict(Counter(trial_states)),
        results=results,
        error=None,
    )


def broken_off(error: BaseException) -> SweepOutcome | None:
    """The outcome of a sweep that an error stopped, or None if the error is a bug of ours."""
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
    """Writes how a sweep ended to ``address``, a file or an object of ``storage``.

    As a context manager it writes the outcome of an error that leaves the block, and lets the
    error pass. Does nothing without an address.
    """

    def __init__(self, address: str | None, storage: str) -> None:
        self._address, self._storage = address, storage

    def __enter__(self) -> "OutcomeFile":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and (outcome := broken_off(error)):
            self.write(outcome)

    def write(self, outcome: SweepOutcome) -> None:
        """Write the whole file, then hand it over if the storage is a URL.

        A storage that cannot be written to is logged: the sweep's own error counts more.
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
    """How a sweep ended, or None if it left no outcome. Raises InputError for a damaged file."""
    return read_dataclass(SweepOutcome, path) if path.is_file() else None
