"""The time at which a sweep has to have ended, and what there is still time for."""

import time
from dataclasses import dataclass

from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState

WIND_UP_S = 180.0  # before the end, training pauses: time to keep checkpoints and to score
LAST_S = 90.0  # before the end, whatever still runs is left as it is: table, page, MLflow
STARTUP_S = 30.0  # of a trial, before its worker counts: Ray starts processes that import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """``until_s`` is Unix time; None: a sweep ends when its trials have."""

    until_s: float | None

    @property
    def train_until_s(self) -> float | None:
        """When training pauses, Unix time."""
        return None if self.until_s is None else self.until_s - WIND_UP_S

    def has_passed(self) -> bool:
        """Whether what still runs is to be left as it is."""
        return self.until_s is not None and time.time() > self.until_s - LAST_S

    def left_s(self) -> float | None:
        """For how long something may still be waited for; None for as long as it takes."""
        return None if self.until_s is None else max(1.0, self.until_s - LAST_S - time.time())

    def has_time_for_another(self, ledger: Ledger) -> bool:
        """Whether a trial that starts now would end, were it as long as the longest so far.

        Before any trial has been measured, whether it would begin to train.
        """
        if self.train_until_s is None:
            return True
        needed_s = max(durations_s(ledger), default=STARTUP_S)
        return time.time() + needed_s < self.train_until_s


def durations_s(ledger: Ledger) -> list[float]:
    """Of each complete trial; of one that was paused, what its last part took."""
    outcomes = (ledger.outcome(record.trial_id) for record in ledger.records())
    return [
        STARTUP_S + outcome.training.seconds + outcome.scoring_s
        for outcome in outcomes
        if outcome is not None and outcome.state is TrialState.COMPLETE
    ]
