"""The evaluations that a worker has asked for while it trains, until their scores arrive."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import ray

from ldm.diffusion.checkpoint import save_sampler
from ldm.diffusion.train import Training
from orchestration.study.evaluations import EpochObjectives, epoch_folder
from orchestration.trials.trial_job import TrialJob


class PendingEvaluations:
    """Hands weights to the evaluator and collects their scores, without waiting for them.

    ``evaluator`` is a handle of the evaluation actor. ``waiting_s`` are the seconds that calls to
    it took so far.
    """

    def __init__(self, job: TrialJob, evaluator: Any) -> None:
        self._job, self._evaluator = job, evaluator
        self._pending: list[tuple[Path, Any]] = []
        self._handed_over: Path | None = None  # the last folder that the evaluator was given
        self._latest: EpochObjectives | None = None
        self.waiting_s = 0.0

    def prepare(self) -> None:
        """Let the evaluator measure ahead what scores of this trial are compared with."""
        with self._timed():
            self._evaluator.prepare_for.remote(self._job.config)

    def hand_over(self, training: Training) -> None:
        """Give the averaged weights to the evaluator, once per epoch."""
        folder = epoch_folder(self._job.folder, training.position.epoch)
        if folder == self._handed_over:
            return
        self._handed_over = folder
        sharing = self._job.sharing
        with self._timed():
            if sharing.fetch(folder / "sampler.json"):  # written before this trial was resumed
                sharing.fetch_tree(folder)
            else:
                sharing.forget(folder)
            if not folder.exists():
                save_sampler(folder, training.sampler())
            sharing.push_tree(folder, last="sampler.json")
            self._pending.append((folder, self._evaluator.evaluate.remote(sharing.address(folder))))

    def collect(self) -> dict[str, Any]:
        """Return the report of the latest epoch that has been scored.

        Empty if no evaluation has ended since the last call.
        """
        with self._timed():
            waiting = [reference for _, reference in self._pending]
            if not waiting:
                return {}
            done, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
            for reference in done:
                self._take(reference)
        return self._latest.report() if done and self._latest is not None else {}

    def unscored(self) -> tuple[str, ...]:
        """Return the names of the epoch folders without scores so far, in order."""
        return tuple(folder.name for folder, _ in self._pending)

    def _take(self, reference: Any) -> None:
        objectives: EpochObjectives = ray.get(reference)
        self._pending = [pair for pair in self._pending if pair[1] != reference]
        if self._latest is None or objectives.epoch >= self._latest.epoch:
            self._latest = objectives

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.waiting_s += perf_counter() - started
