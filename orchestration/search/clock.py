"""Ray Tune's side of a deadline: asks whether there is time for another trial, ends in time."""

import signal
from collections.abc import Iterable
from typing import Any, ClassVar

from ray import tune

from orchestration.search.deadline import Deadline
from orchestration.study.ledger import Ledger
from orchestration.trials.trial import PAUSED


class Clock:
    """Tells Ray Tune when to end. Of this process: Tune pickles what it is given, a clock is not.

    Without ``current`` there is no end.
    """

    current: ClassVar["Clock | None"] = None

    def __init__(self, deadline: Deadline, ledger: Ledger) -> None:
        self._deadline, self._ledger = deadline, ledger
        self._paused: set[str] = set()

    def may_start(self) -> bool:
        """Whether there is time for another trial."""
        return self._deadline.has_time_for_another(self._ledger)

    def paused(self, trial_id: str) -> None:
        """A trial says that it has kept a checkpoint and waits for the end."""
        self._paused.add(trial_id)

    def is_over(self, live: Iterable[str]) -> bool:
        """Whether all live trials have paused, or may be waited for no longer."""
        live = set(live)
        return bool(live) and (live <= self._paused or self._deadline.has_passed())

    def leave(self, live: Iterable[str]) -> None:
        """Note which trials go on another time."""
        for trial_id in live:
            self._ledger.pause(trial_id)


def may_start() -> bool:
    """Whether the sweep of this process has time for another trial."""
    return Clock.current is None or Clock.current.may_start()


class ClockCallback(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Ends the session of this process in time: Tune keeps its state, live trials go on later.

    A budget of Tune's own would count live trials as ended.
    """

    def on_trial_result(self, trial: Any, result: dict[str, Any], **info: Any) -> None:
        """A trial reported."""
        if Clock.current is not None and PAUSED in result:
            Clock.current.paused(trial.trial_id)

    def on_step_end(self, trials: list[Any], **info: Any) -> None:
        """Tune did something, or waited a tenth of a second."""
        clock = Clock.current
        live = [trial.trial_id for trial in trials if not trial.is_finished()]
        if clock is not None and clock.is_over(live):
            clock.leave(live)
            signal.raise_signal(signal.SIGINT)  # Tune's own way to end: it keeps its state first
