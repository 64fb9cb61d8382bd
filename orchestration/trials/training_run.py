"""The training of a trial in a Ray Train worker: loop, reports, checkpoints and evaluations."""

import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from time import perf_counter, time
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import get_device

from ldm.data.latents.store import read_manifest
from ldm.data.latents.whitening import whitening_statistics
from ldm.device import free_memory_gib
from ldm.diffusion.stall import is_check_due, is_stalled, stall_warning
from ldm.diffusion.train import EpochReport, Training
from ldm.diffusion.training_memory import out_of_memory_reason, require_memory, scans_at_once
from ldm.errors import InputError, NonFiniteLossError
from orchestration.study.outcomes import (
    TRAINING_FILE,
    Cause,
    EarlyEnd,
    TrainingOutcome,
    TrialState,
    read_training,
    write_training,
)
from orchestration.study.stop_request import STOP_FILE, read_stop
from orchestration.trials.loss_log import LossLog
from orchestration.trials.pending_evaluations import PendingEvaluations
from orchestration.trials.trial_job import LOSS_FILE, TrialJob, checkpoint_upload


class TrainingRun:
    """One worker that trains a trial.

    If there are several workers, only one of them, the lead, writes files and has samples scored.
    ``evaluator`` is a handle of the evaluation actor. ``latents`` are Ray references to the mean
    and standard deviation of the posteriors of all training scans.
    """

    def __init__(self, job: TrialJob, evaluator: Any, latents: tuple[Any, Any]) -> None:
        torch.set_num_threads(job.n_threads)
        self.job = job
        self._evaluations = PendingEvaluations(job, evaluator)
        self._last_report: EpochReport | None = None
        self._losses = LossLog(job.folder / LOSS_FILE)
        self._started = perf_counter()
        self._warning: str | None = None  # sent with the next report
        manifest = read_manifest(job.store)
        mean, std = shared_tensors(latents)
        self.training = Training(
            job.config,
            mean=mean,
            std=std,
            whitening=whitening_statistics(manifest.latents, job.config.training.whitening),
            device=get_device(),
            execution=job.execution,
        )
        self._is_lead = self.training.workers.is_lead
        self._is_pausing = False
        self._stopped: EarlyEnd | None = None

    def run(self) -> None:
        """Train to the end or until the time is up. Resumes from a checkpoint if there is one.

        Does not wait for scores. Does nothing if the training has ended.
        """
        if read_training(self.job.folder) is not None:  # Ray restarted the workers
            return
        if self._is_lead:
            self._evaluations.prepare()
        failure = self._resume() or self._memory_failure() or self._train()
        if not self._is_lead or self._is_pausing:
            return
        if failure is None and self._stopped is None:
            self._evaluations.hand_over(self.training)
        self._finish(failure)

    def _resume(self) -> EarlyEnd | None:
        """Resume from the newest readable checkpoint.

        Returns the failure if there are checkpoints but none can be read, otherwise None.
        """
        refusals: list[str] = []
        for checkpoint in reversed(_kept_checkpoints()):
            try:
                with checkpoint.as_directory() as folder:
                    self.training.resume(Path(folder))
            except InputError as error:
                refusals.append(str(error))
                continue
            if refusals:
                self._warning = (
                    f"resumed from epoch {self.training.position.epoch}, because a later "
                    f"checkpoint could not be read: {refusals[0]}"
                )
            return None
        if not refusals:
            return None
        reason = f"no checkpoint could be read: {refusals[0]}"
        return EarlyEnd(cause=Cause.CHECKPOINTS, reason=reason)

    def _train(self) -> EarlyEnd | None:
        """Train to the end, until the time is up, or until the trial must stop early.

        Returns the failure if there is one.
        """
        try:
            for report in self.training.epochs():
                is_last = report.epoch == self.job.config.training.epochs
                self._is_pausing = not is_last and self._must_pause(report)
                is_stopping = not is_last and self._must_stop(report)
                self._after_epoch(report)
                if self._is_pausing or is_stopping:
                    break
        except NonFiniteLossError as error:
            return EarlyEnd(cause=Cause.NON_FINITE, reason=str(error))
        except torch.OutOfMemoryError:
            reason = out_of_memory_reason(**self._memory_question())
            failure = EarlyEnd(cause=Cause.OUT_OF_MEMORY, reason=reason)
            if self.training.workers.n == 1:
                return failure
            self._finish(failure)
            raise  # the other workers wait for this one, so that Ray has to restart all
        return None

    def _must_pause(self, report: EpochReport) -> bool:
        """Return whether any worker has no time for another epoch, so that all pause together."""
        until_s = self.job.train_until_s
        return until_s is not None and self._any_worker(time() + report.epoch_seconds > until_s)

    def _must_stop(self, report: EpochReport) -> bool:
        """Return whether the trial must stop early, so that all workers stop together.

        It must if it is not learning, or if it was asked to. The lead keeps the reason.
        """
        if not self.job.stops_early:
            return False
        if self._is_lead:
            self._stopped = self._standstill(report) or self._request()
        return self._any_worker(self._stopped is not None)

    def _standstill(self, report: EpochReport) -> EarlyEnd | None:
        n_epochs = self.job.config.training.epochs
        is_due = is_check_due(report.epoch, n_epochs=n_epochs, n_steps=report.step)
        if not (is_due and is_stalled(report.loss, report.trivial_loss)):
            return None
        reason = f"it {stall_warning(report.loss, report.trivial_loss)}"
        return EarlyEnd(cause=Cause.NOT_LEARNING, reason=reason)

    def _request(self) -> EarlyEnd | None:
        self.job.sharing.fetch(self.job.folder / STOP_FILE)
        return read_stop(self.job.folder)

    def _any_worker(self, is_so: bool) -> bool:
        """Return whether something is so for any worker. All workers must ask together."""
        own = torch.tensor([float(is_so)]).to(self.training.device)
        return bool(self.training.workers.mean(own) > 0)

    def _memory_failure(self) -> EarlyEnd | None:
        """Return the failure if GPU memory is too small for a step, otherwise None.

        Main memory is not checked.
        """
        device = self.training.device
        if device.type != "cuda":
            return None
        ours_gib = torch.cuda.memory_reserved(device) / 2**30  # the forecast includes it
        available_gib = free_memory_gib(device) + ours_gib
        try:
            require_memory(**self._memory_question(), available_gib=available_gib)
        except InputError as error:
            return EarlyEnd(cause=Cause.OUT_OF_MEMORY, reason=str(error))
        return None

    def _memory_question(self) -> dict[str, Any]:
        config, training = self.job.config, self.training
        return {
            "config": config,
            "size": scans_at_once(config, self.job.execution, training.workers.n),
            "n_scans": training.n_scans,
            "is_bfloat16": training.is_bfloat16,
        }

    def _after_epoch(self, report: EpochReport) -> None:
        """Report an epoch. Every worker must report, because Ray Train waits for all of them.

        The lead also saves checkpoints and starts evaluations when they are due. After notice that
        a host will be shut down, it saves a checkpoint after each epoch.
        """
        is_leaving = ray.train.get_preemption_info() is not None
        if not self._is_lead:
            ray.train.report(asdict(report))
            return
        self._last_report = report
        self._losses.append(report.epoch, report.loss)
        plan = self.job.config.training
        is_last = report.epoch == plan.epochs
        if report.epoch % plan.evaluate_every_epochs == 0 or is_last:
            self._evaluations.hand_over(self.training)
        metrics: dict[str, Any] = asdict(report) | self._evaluations.collect()
        if self._warning is not None:
            metrics["warning"], self._warning = self._warning, None
        is_due = report.epoch % plan.checkpoint_every_epochs == 0 or is_last
        if is_due or is_leaving or self._is_pausing:
            with tempfile.TemporaryDirectory() as folder:
                self.training.save(Path(folder))
                self._report(metrics, Path(folder))
        else:
            ray.train.report(metrics)

    def _report(self, metrics: dict[str, Any], folder: Path) -> None:
        """Report metrics with the checkpoint in a folder. All nodes can read it afterwards."""
        self.job.sharing.push(self._losses.path)
        ray.train.report(
            metrics,
            checkpoint=ray.train.Checkpoint.from_directory(str(folder)),
            checkpoint_upload_fn=checkpoint_upload(self.job),
        )

    def _finish(self, failure: EarlyEnd | None) -> None:
        from evaluation.panels import write_loss_curve  # imports matplotlib, which is slow

        losses, last = self._losses.read(), self._last_report
        if losses:
            write_loss_curve(self.job.folder / "loss.png", losses, "loss by epoch")
        state = TrialState.COMPLETE
        if failure is not None:
            state = TrialState.FAILED
        elif self._stopped is not None:
            state = TrialState.STOPPED
        outcome = TrainingOutcome(
            state=state,
            epoch=self.training.position.epoch,
            first_epoch_loss=self.training.position.first_epoch_loss,
            loss=losses[-1][1] if losses else None,
            trivial_loss=last.trivial_loss if last else None,
            seconds=perf_counter() - self._started,
            waiting_s=self._evaluations.waiting_s,
            unscored=self._evaluations.unscored(),
            reason=why.reason if (why := failure or self._stopped) else None,
            cause=why.cause if why else None,
        )
        write_training(self.job.folder, outcome)
        made = (LOSS_FILE, "loss.png", TRAINING_FILE)  # the last one marks the training as ended
        paths = [self.job.folder / name for name in made]
        self.job.sharing.push(*(path for path in paths if path.is_file()))


def _kept_checkpoints() -> list[Any]:
    """Return the complete checkpoints that Ray Train has kept of this run, the newest last."""
    reported = ray.train.get_all_reported_checkpoints()
    return sorted((one.checkpoint for one in reported), key=lambda one: str(one.path))


def shared_tensors(latents: tuple[Any, Any]) -> list[torch.Tensor]:
    """Return the arrays behind two Ray references, mean and std, as tensors.

    They are not copied, so that the trials of a node share the memory.
    """
    with warnings.catch_warnings():
        # The warning does not apply, since nothing is written.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return [torch.from_numpy(ray.get(reference)) for reference in latents]
