"""The time by which a sweep must end, and whether there is time for another trial."""

import time
from dataclasses import dataclass

from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState

WIND_UP_S = 180.0  # training pauses this long before the end, to save checkpoints and to score
LAST_S = 90.0  # no trial is waited for after this time before the end, to write the reports
STARTUP_S = (
    30.0  # of a trial until its worker measures time: Ray starts processes, torch is imported
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The time by which a sweep must end.

    Attributes
    ----------
    until_s
        Unix time. None if the sweep has no deadline and ends with its last trial.
    """

    until_s: float | None

    @property
    def train_until_s(self) -> float | None:
        """Return the Unix time at which training pauses. None without a deadline."""
        return None if self.until_s is None else self.until_s - WIND_UP_S

    def has_passed(self) -> bool:
        """Return whether it is too late to wait for running trials. False without a deadline."""
        return self.until_s is not None and time.time() > self.until_s - LAST_S

    def left_s(self) -> float | None:
        """Return the seconds left for waiting, at least 1. None without a deadline."""
        return None if self.until_s is None else max(1.0, self.until_s - LAST_S - time.time())

    def has_time_for_another(self, ledger: Ledger) -> bool:
        """Return whether a trial that starts now would end in time.

        Assumes that it takes as long as the longest complete trial so far. If no trial is complete,
        it only has to begin its training in time.
        """
        if self.train_until_s is None:
            return True
        needed_s = max(durations_s(ledger), default=STARTUP_S)
        return time.time() + needed_s < self.train_until_s


def durations_s(ledger: Ledger) -> list[float]:
    """Return the duration of each complete trial in seconds.

    If a trial was paused or interrupted, only the time since it was last resumed counts.
    """
    outcomes = (ledger.outcome(record.trial_id) for record in ledger.records())
    return [
        STARTUP_S + outcome.training.seconds + outcome.scoring_s
        for outcome in outcomes
        if outcome is not None and outcome.state is TrialState.COMPLETE
    ]
