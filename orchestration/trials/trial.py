"""One trial: the Tune function that starts Ray Train, and the worker that trains.

Imports of torch and of our own heavy modules wait until a worker runs: Ray starts five or six
processes for each trial, and each would pay for them.
"""

import threading
from typing import Any

from orchestration.cluster import NAMESPACE, Slots
from orchestration.study.outcomes import TRAINING_FILE, read_training
from orchestration.trials.trial_job import TrialJob

MAX_WORKER_FAILURES = 3
WITHOUT_LIMIT = -1
N_CHECKPOINTS_KEPT = 2
PAUSED = "is_paused"  # what a trial reports whose time is up


def run_trial(job: TrialJob, *, latents: tuple[Any, Any], slots: Slots) -> None:
    """Body of the Tune function: one Ray Train run, named after the trial so that it resumes.

    ``latents`` are references to posterior mean and standard deviation in Ray's object store.
    """
    from ray import train, tune
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    from orchestration.lone_worker import LoneWorker
    from orchestration.trials.final_scores import conclude

    job = job.here()
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"job": job, "latents": latents},
        torch_config=LoneWorker() if job.n_workers == 1 else None,
        scaling_config=train.ScalingConfig(
            num_workers=job.n_workers,
            use_gpu=slots.trial_gpus > 0,
            resources_per_worker={"CPU": slots.trial_cpus, "GPU": slots.trial_gpus},
        ),
        run_config=train.RunConfig(
            name=job.run_name,
            **job.sharing.for_ray(job.train_folder),
            callbacks=[TuneReportCallback()],
            failure_config=train.FailureConfig(
                max_failures=MAX_WORKER_FAILURES,
                # Each minute that a trial waits for a free slot is one such failure to Ray Train.
                controller_failure_limit=WITHOUT_LIMIT,
            ),
            checkpoint_config=train.CheckpointConfig(num_to_keep=N_CHECKPOINTS_KEPT),
        ),
    )
    if not has_trained(job):  # else a sweep was stopped while this trial was scored
        trainer.fit()
    if not has_trained(job) and job.train_until_s is not None:  # it has paused: the end is near
        tune.report({PAUSED: True})
        threading.Event().wait()
    for metrics in conclude(job.folder, evaluator=job.evaluator, sharing=job.sharing):
        tune.report(metrics)


def has_trained(job: TrialJob) -> bool:
    """Whether the training of a trial has ended, complete or failed, on any node."""
    job.sharing.fetch(job.folder / TRAINING_FILE)
    return read_training(job.folder) is not None


def train_worker(given: dict[str, Any]) -> None:
    """The Ray Train worker: train, report each epoch, hand weights to the evaluator."""
    import ray

    from orchestration.trials.training_run import TrainingRun

    job: TrialJob = given["job"].here()
    evaluator = ray.get_actor(job.evaluator, namespace=NAMESPACE)
    TrainingRun(job, evaluator, given["latents"]).run()
