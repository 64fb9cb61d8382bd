"""The scheduler of Ray Tune that stops trials early. ``rungs`` says which."""

from typing import Any, ClassVar

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from ldm.config import TrialConfig
from orchestration.search.rungs import rung_epochs, stop_reason
from orchestration.storage.sharing import Sharing
from orchestration.study.evaluations import (
    EVAL_EPOCH,
    EVALUATION_FILE,
    epoch_folder,
    read_evaluation,
)
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import Cause, EarlyEnd
from orchestration.study.stop_request import write_stop
from search_spaces.named_trial import named_trial


class Stopper:
    """Compares trials at rungs, and asks those to end that are clearly worse.

    It has no state but the files of the study, so it goes on where a killed sweep left off.
    """

    def __init__(self, ledger: Ledger, sharing: Sharing) -> None:
        self._ledger, self._sharing = ledger, sharing

    def scored(self, trial_id: str, config: TrialConfig, epoch: int) -> None:
        """Compare a trial with the others if an epoch that has been scored is a rung."""
        if epoch not in rung_epochs(config.training):
            return
        trials = self._ledger.folder
        own = epoch_folder(trials / trial_id, epoch)
        self._sharing.fetch(own / EVALUATION_FILE)
        at_rung = trials.glob(f"*/{own.name}/{EVALUATION_FILE}")
        others = [read_evaluation(path.parent) for path in at_rung if path.parent != own]
        if reason := stop_reason(read_evaluation(own), others):
            self._sharing.push(
                write_stop(trials / trial_id, EarlyEnd(cause=Cause.CLEARLY_WORSE, reason=reason))
            )


class RungScheduler(FIFOScheduler):  # type: ignore[misc]  # Ray has no types
    """Starts trials in order, and has the stopper of this process compare them at rungs.

    It does not stop trials itself: Ray would kill the trial's driver, and its worker would go on to
    hold the GPU until Ray notices. Tune pickles its scheduler, so the scheduler uses ``current``.
    If it is None, no trial is stopped.
    """

    current: ClassVar[Stopper | None] = None

    def on_trial_result(self, _controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Compare a trial with the others if the report has scores. All trials go on for now."""
        if self.current is not None and EVAL_EPOCH in result:
            config = named_trial(trial.config).config
            self.current.scored(trial.trial_id, config, int(result[EVAL_EPOCH]))
        return str(TrialScheduler.CONTINUE)
