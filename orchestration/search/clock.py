"""Make Ray Tune keep a deadline: start no trial that is too long, and stop in time."""

import signal
from collections.abc import Iterable
from typing import Any, ClassVar

from ray import tune

from orchestration.search.deadline import Deadline
from orchestration.study.ledger import Ledger
from orchestration.trials.trial import PAUSED


class Clock:
    """Tells Ray Tune when to stop.

    Tune pickles the objects that it is given, and a clock should not be pickled. So callbacks and
    searchers use ``current``, the clock of this process. If it is None, there is no deadline.
    """

    current: ClassVar["Clock | None"] = None

    def __init__(self, deadline: Deadline, ledger: Ledger) -> None:
        self._deadline, self._ledger = deadline, ledger
        self._paused: set[str] = set()

    def may_start(self) -> bool:
        """Return whether there is time for another trial."""
        return self._deadline.has_time_for_another(self._ledger)

    def paused(self, trial_id: str) -> None:
        """Note that a trial has saved a checkpoint and waits for the end of the session."""
        self._paused.add(trial_id)

    def is_over(self, live: Iterable[str]) -> bool:
        """Return whether all unfinished trials have paused, or the time for waiting is up.

        ``live`` are the ids of the unfinished trials. If there are none, the result is False,
        because Tune stops by itself.
        """
        live = set(live)
        return bool(live) and (live <= self._paused or self._deadline.has_passed())

    def leave(self, live: Iterable[str]) -> None:
        """Mark the trials with these ids as paused, so that a later sweep resumes them."""
        for trial_id in live:
            self._ledger.pause(trial_id)


def may_start() -> bool:
    """Return whether the sweep of this process has time for another trial."""
    return Clock.current is None or Clock.current.may_start()


class ClockCallback(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Stops Tune's session in time, so that a later session resumes the unfinished trials.

    Tune's own time budget would count unfinished trials as ended.
    """

    def on_trial_result(self, trial: Any, result: dict[str, Any], **info: Any) -> None:
        """Note whether the reporting trial has paused."""
        if Clock.current is not None and PAUSED in result:
            Clock.current.paused(trial.trial_id)

    def on_step_end(self, trials: list[Any], **info: Any) -> None:
        """Stop the session if it is time. Tune calls this at least every tenth of a second."""
        clock = Clock.current
        live = [trial.trial_id for trial in trials if not trial.is_finished()]
        if clock is not None and clock.is_over(live):
            clock.leave(live)
            signal.raise_signal(signal.SIGINT)  # on SIGINT, Tune saves its state and stops
