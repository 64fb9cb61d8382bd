"""One trial: the Tune function that starts Ray Train, and the worker that trains.

Imports of torch and of our own heavy modules wait until a worker runs: Ray starts five or six
processes for each trial, and each would pay for them.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldm.config import TrialConfig
from ldm.execution import Execution
from orchestration.cluster import NAMESPACE, Slots

MAX_WORKER_FAILURES = 3
WITHOUT_LIMIT = -1
N_CHECKPOINTS_KEPT = 2
PAUSED = "is_paused"  # what a trial reports whose time is up


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialJob:
    """What a worker needs besides its configuration; all paths are reachable from every node.

    At ``train_until_s``, Unix time, it keeps a checkpoint and pauses.
    """

    config: TrialConfig
    folder: Path
    store: Path
    evaluator: str
    n_threads: int
    n_workers: int
    execution: Execution
    train_until_s: float | None = None


def run_trial(job: TrialJob, *, latents: tuple[Any, Any], slots: Slots) -> None:
    """Body of the Tune function: one Ray Train run, named after the trial so that it resumes.

    ``latents`` are references to posterior mean and standard deviation in Ray's object store.
    """
    from ray import train, tune
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    from orchestration.final_scores import conclude

    trial_id, study = job.folder.name, job.folder.parents[1]
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"job": job, "latents": latents},
        scaling_config=train.ScalingConfig(
            num_workers=job.n_workers,
            use_gpu=slots.trial_gpus > 0,
            resources_per_worker={"CPU": slots.trial_cpus, "GPU": slots.trial_gpus},
        ),
        run_config=train.RunConfig(
            name=f"train-{trial_id}",
            storage_path=str(study / "train"),
            callbacks=[TuneReportCallback()],
            failure_config=train.FailureConfig(
                max_failures=MAX_WORKER_FAILURES,
                # Each minute that a trial waits for a free slot is one such failure to Ray Train.
                controller_failure_limit=WITHOUT_LIMIT,
            ),
            checkpoint_config=train.CheckpointConfig(num_to_keep=N_CHECKPOINTS_KEPT),
        ),
    )
    if not has_trained(job.folder):  # else a sweep was stopped while this trial was scored
        trainer.fit()
    if not has_trained(job.folder):  # it has paused, and the sweep is about to end
        tune.report({PAUSED: True})
        threading.Event().wait()
    for metrics in conclude(job.folder, evaluator=job.evaluator):
        tune.report(metrics)


def has_trained(folder: Path) -> bool:
    """Whether the training of a trial has ended, one way or the other."""
    from orchestration.outcomes import read_training

    return read_training(folder) is not None


def train_worker(given: dict[str, Any]) -> None:
    """The Ray Train worker: train, report each epoch, hand weights to the evaluator."""
    import ray

    from orchestration.training_run import TrainingRun

    job: TrialJob = given["job"]
    evaluator = ray.get_actor(job.evaluator, namespace=NAMESPACE)
    TrainingRun(job, evaluator, given["latents"]).run()
