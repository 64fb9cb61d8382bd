"""One trial: the Tune function that starts Ray Train, and the worker that trains.

torch and other heavy modules are imported inside the functions. Ray starts five or six processes
for each trial, and most of them do not need these modules.
"""

import threading
from typing import Any

from orchestration.cluster import NAMESPACE, Slots
from orchestration.study.outcomes import TRAINING_FILE, read_training
from orchestration.trials.trial_job import TrialJob

MAX_WORKER_FAILURES = 3
WITHOUT_LIMIT = -1
N_CHECKPOINTS_KEPT = 2
PAUSED = "is_paused"  # in the report of a trial that has paused


def run_trial(job: TrialJob, *, latents: tuple[Any, Any], slots: Slots) -> None:
    """Train one trial with Ray Train, wait for its scores and report them to Ray Tune.

    This is the body of the Tune function. The Ray Train run is named after the trial, so that it
    resumes. ``latents`` are Ray references to the mean and standard deviation of the posteriors of
    all training scans. If the time is up before the training has ended, this reports that the trial
    has paused, and waits until the session is stopped.
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
                # Ray Train counts each minute that a trial waits for resources as such a failure.
                controller_failure_limit=WITHOUT_LIMIT,
            ),
            checkpoint_config=train.CheckpointConfig(num_to_keep=N_CHECKPOINTS_KEPT),
        ),
    )
    if not has_trained(job):  # may be True if a sweep was stopped while this trial was scored
        trainer.fit()
    if (
        not has_trained(job) and job.train_until_s is not None
    ):  # paused: wait for the session to stop
        tune.report({PAUSED: True})
        threading.Event().wait()
    for metrics in conclude(job.folder, evaluator=job.evaluator, sharing=job.sharing):
        tune.report(metrics)


def has_trained(job: TrialJob) -> bool:
    """Return whether the training of a trial has ended in any way, on any node."""
    job.sharing.fetch(job.folder / TRAINING_FILE)
    return read_training(job.folder) is not None


def train_worker(given: dict[str, Any]) -> None:
    """Train a trial in a Ray Train worker.

    ``given`` has the arguments ``job`` and ``latents`` of ``run_trial`` by name.
    """
    import ray

    from orchestration.trials.training_run import TrainingRun

    job: TrialJob = given["job"].here()
    evaluator = ray.get_actor(job.evaluator, namespace=NAMESPACE)
    TrainingRun(job, evaluator, given["latents"]).run()
