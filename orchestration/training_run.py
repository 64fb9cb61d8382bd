"""Inside a Ray Train worker: the training loop, its reports, checkpoints and evaluations."""

import json
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

from ldm.checkpoint import save_sampler
from ldm.data.latents import whitening_statistics
from ldm.data.store import read_manifest
from ldm.dataclass_json import from_dict
from ldm.device import free_memory_gib
from ldm.errors import InputError, NonFiniteLossError
from ldm.train import EpochReport, Training
from ldm.training_memory import out_of_memory_reason, require_memory, scans_at_once
from orchestration.outcomes import (
    Evaluation,
    TrainingOutcome,
    TrialState,
    read_training,
    write_training,
)
from orchestration.trial import TrialJob


class TrainingRun:
    """One worker's work on one trial; of several, the lead alone writes and has samples judged."""

    def __init__(self, job: TrialJob, evaluator: Any, latents: tuple[Any, Any]) -> None:
        torch.set_num_threads(job.n_threads)
        self.job = job
        self._evaluator = evaluator
        self._pending: list[Any] = []
        self._latest: Evaluation | None = None
        self._last_report: EpochReport | None = None
        self._losses = _LossLog(job.folder / "loss.jsonl")
        self._started = perf_counter()
        self._waiting_s = 0.0
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

    def run(self) -> None:
        """Train from the last checkpoint, or from the start, to the end; scores come later."""
        if read_training(self.job.folder) is not None:  # Ray started its workers once more
            return
        if self._is_lead:
            started = perf_counter()
            self._evaluator.prepare_for.remote(self.job.config)
            self._waiting_s += perf_counter() - started
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is not None:
            with checkpoint.as_directory() as folder:
                self.training.resume(Path(folder))
        failure = self._memory_failure() or self._train()
        if not self._is_lead or self._is_pausing:
            return
        if failure is None:
            self._evaluate()
        self._finish(failure)

    def _train(self) -> str | None:
        """To the end; why it failed, if it did."""
        try:
            for report in self.training.epochs():
                self._is_pausing = self._must_pause(report)
                self._after_epoch(report)
                if self._is_pausing:
                    break
        except NonFiniteLossError as error:
            return str(error)
        except torch.OutOfMemoryError:
            reason = out_of_memory_reason(**self._memory_question())
            if self.training.workers.n == 1:
                return reason
            self._finish(reason)
            raise  # the others wait for this worker: Ray stops them, and starts all once more
        return None

    def _must_pause(self, report: EpochReport) -> bool:
        """Whether another epoch would be one too many for any of the workers: all pause as one."""
        until_s = self.job.train_until_s
        if until_s is None or report.epoch == self.job.config.training.epochs:
            return False
        is_late = torch.tensor([float(time() + report.epoch_seconds > until_s)])
        return bool(self.training.workers.mean(is_late.to(self.training.device)) > 0)

    def _memory_failure(self) -> str | None:
        """Why a GPU will not hold a step; a CPU is not asked, memory there is not ours alone."""
        device = self.training.device
        if device.type != "cuda":
            return None
        ours_gib = torch.cuda.memory_reserved(device) / 2**30  # is in the forecast too
        available_gib = free_memory_gib(device) + ours_gib
        try:
            require_memory(**self._memory_question(), available_gib=available_gib)
        except InputError as error:
            return str(error)
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
        """Every worker reports, for Ray Train waits for all of them."""
        if not self._is_lead:
            ray.train.report(asdict(report))
            return
        self._last_report = report
        self._losses.append(report.epoch, report.loss)
        plan = self.job.config.training
        is_last = report.epoch == plan.epochs
        if report.epoch % plan.evaluate_every_epochs == 0 or is_last:
            self._evaluate()
        metrics = asdict(report) | self._collect()
        if report.epoch % plan.checkpoint_every_epochs == 0 or is_last or self._is_pausing:
            with tempfile.TemporaryDirectory() as folder:
                self.training.save(Path(folder))
                ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))
        else:
            ray.train.report(metrics)

    def _evaluate(self) -> None:
        """Hand the averaged weights to the evaluator and go on; once for each epoch."""
        started = perf_counter()
        folder = self.job.folder / f"epoch_{self.training.position.epoch:04d}"
        if self._pending and self._pending[-1][0] == folder:
            return
        if not folder.exists():
            save_sampler(folder, self.training.sampler())
        self._pending.append((folder, self._evaluator.evaluate.remote(str(folder))))
        self._waiting_s += perf_counter() - started

    def _collect(self) -> dict[str, float]:
        """The metrics of evaluations that have ended since; late ones carry ``eval_epoch``."""
        started = perf_counter()
        waiting = [reference for _, reference in self._pending]
        done, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0) if waiting else ([], [])
        for reference in done:
            self._take(reference)
        self._waiting_s += perf_counter() - started
        return self._latest.metrics() if done and self._latest is not None else {}

    def _take(self, reference: Any) -> None:
        evaluation = from_dict(Evaluation, ray.get(reference))
        self._pending = [pair for pair in self._pending if pair[1] != reference]
        if self._latest is None or evaluation.epoch >= self._latest.epoch:
            self._latest = evaluation

    def _finish(self, failure: str | None) -> None:
        from evaluation.panels import write_loss_curve  # matplotlib: at the end, not at the start

        losses, last = self._losses.read(), self._last_report
        if losses:
            write_loss_curve(self.job.folder / "loss.png", losses, "loss by epoch")
        outcome = TrainingOutcome(
            state=TrialState.COMPLETE if failure is None else TrialState.FAILED,
            epoch=self.training.position.epoch,
            first_epoch_loss=self.training.position.first_epoch_loss,
            loss=losses[-1][1] if losses else None,
            trivial_loss=last.trivial_loss if last else None,
            seconds=perf_counter() - self._started,
            waiting_s=self._waiting_s,
            unscored=tuple(folder.name for folder, _ in self._pending),
            reason=failure,
        )
        write_training(self.job.folder, outcome)


def shared_tensors(latents: tuple[Any, Any]) -> list[torch.Tensor]:
    """Mean and std in the node's object store: read by every trial there, copied by none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nobody writes
        return [torch.from_numpy(ray.get(reference)) for reference in latents]


class _LossLog:
    """Loss by epoch in a file that outlives the worker; a repeated epoch replaces its value."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def append(self, epoch: int, loss: float) -> None:
        with self._path.open("a") as stream:
            stream.write(json.dumps([epoch, loss]) + "\n")

    def read(self) -> list[tuple[int, float]]:
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        by_epoch: dict[int, float] = dict(map(json.loads, lines))
        return sorted(by_epoch.items())
