"""Metrics of a sweep for Prometheus, exported by the endpoint of Ray.

Only the node that runs the sweep exports them. Ray adds ``ray_`` to their names. Ray 2.60 drops a
gauge that has not been set for about 20 s, so all gauges are set again every few seconds.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from orchestration.study.evaluations import OBJECTIVES
from orchestration.study.ledger import Ledger, TrialRecord
from orchestration.study.outcomes import TrialState

TRIALS, OBJECTIVE = "pancreatune_trials", "pancreatune_objective"
EPOCHS, GPU_HOURS = "pancreatune_trial_epochs", "pancreatune_gpu_hours"
NAMES = (TRIALS, OBJECTIVE, EPOCHS, GPU_HOURS)
REPEAT_S = 5.0
WAITING, RUNNING, LOST = "waiting", "running", "lost"
STATES = (WAITING, RUNNING, *TrialState, LOST)


class SweepMetrics:
    """The gauges of one study. They are set again every 5 s within the context.

    ``n_trials`` is the number of trials of the study, ``n_gpus`` the GPUs of one trial.
    """

    def __init__(self, study: str, ledger: Ledger, *, n_trials: int, n_gpus: float) -> None:
        self._study, self._ledger = study, ledger
        self._n_trials, self._n_gpus = n_trials, n_gpus
        outcomes = {one.trial_id: ledger.outcome(one.trial_id) for one in ledger.records()}
        self._states = {name: LOST if one is None else one.state for name, one in outcomes.items()}
        self._seconds = {
            name: 0.0 if one is None else one.training.seconds for name, one in outcomes.items()
        }
        self._told: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._is_over = threading.Event()
        self._repeater = threading.Thread(target=self._repeat, daemon=True)
        self._gauges = {
            TRIALS: _gauge(TRIALS, "Number of trials in each state.", "state"),
            OBJECTIVE: _gauge(
                OBJECTIVE,
                "Last score of a trial: histogram_distance_hu in HU (lower is better) or "
                "totalsegmentator_dice (higher is better).",
                *("trial", "objective"),
            ),
            EPOCHS: _gauge(EPOCHS, "Number of epochs that a trial has trained.", "trial"),
            GPU_HOURS: _gauge(GPU_HOURS, "GPU-hours that all trials have trained."),
        }

    def __enter__(self) -> "SweepMetrics":
        self._tell()
        self._repeater.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._repeater.join()

    def started(self, record: TrialRecord) -> None:
        """Count a trial as running, when it starts or starts again."""
        self._states[record.trial_id], self._seconds[record.trial_id] = RUNNING, 0.0
        self._tell()

    def reported(self, record: TrialRecord, result: Mapping[str, Any]) -> None:
        """Set the gauges to the epoch and the scores that a trial has reported to Ray Tune.

        ``result`` is the report. It has an epoch, scores, or both.
        """
        trial = str(record.number)
        if "epoch" in result:
            self._seconds[record.trial_id] += float(result["epoch_seconds"])
            self._set(EPOCHS, result["epoch"], trial=trial)
            self._set(GPU_HOURS, self.gpu_hours())
        for objective in OBJECTIVES:
            if objective in result:
                self._set(OBJECTIVE, result[objective], trial=trial, objective=objective)

    def ended(self, record: TrialRecord) -> None:
        """Count a trial in the state that its outcome has, or as lost if it has none."""
        outcome = self._ledger.outcome(record.trial_id)
        self._states[record.trial_id] = LOST if outcome is None else outcome.state
        if outcome is not None:
            self._seconds[record.trial_id] = outcome.training.seconds
        self._tell()

    def by_state(self) -> dict[str, int]:
        """Return the number of trials in each state. A trial that has not started is waiting."""
        counted = Counter(self._states.values())
        counted[WAITING] = max(0, self._n_trials - len(self._states))
        return {state: counted[state] for state in STATES}

    def gpu_hours(self) -> float:
        """Return the GPU-hours of training, including earlier sessions.

        The time of workers that were killed is unknown and not included.
        """
        return sum(self._seconds.values()) * self._n_gpus / 3600

    def _tell(self) -> None:
        for state, n in self.by_state().items():
            self._set(TRIALS, n, state=state)
        self._set(GPU_HOURS, self.gpu_hours())

    def _set(self, name: str, value: float, **tags: str) -> None:
        labels = tuple(({"study": self._study} | tags).items())
        self._told[name, labels] = float(value)
        self._gauges[name].set(float(value), tags=dict(labels))

    def _repeat(self) -> None:
        while not self._is_over.wait(REPEAT_S):
            for (name, labels), value in self._told.copy().items():
                self._gauges[name].set(value, tags=dict(labels))


def _gauge(name: str, description: str, *tags: str) -> Any:
    from ray.util.metrics import Gauge

    return Gauge(name, description=description, tag_keys=("study", *tags))
