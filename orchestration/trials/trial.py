"""One trial: the Tune function that starts Ray Train, and the worker that trains.

Imports of torch and of our own heavy modules wait until a worker runs: Ray starts five or six
processes for each trial, and each would pay for them.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ldm.config import TrialConfig
from ldm.execution import Execution
from orchestration.cluster import NAMESPACE, Slots
from orchestration.storage.mirror import UrlMirror
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from orchestration.storage.stores import MANIFEST

MAX_WORKER_FAILURES = 3
WITHOUT_LIMIT = -1
N_CHECKPOINTS_KEPT = 2
PAUSED = "is_paused"  # what a trial reports whose time is up
TRAINED_FILE, LOSS_FILE = "trained.json", "loss.jsonl"  # of a trial's folder


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialJob:
    """What a worker needs besides its configuration; paths are of the node that made it.

    At ``train_until_s``, Unix time, it keeps a checkpoint and pauses.
    """

    config: TrialConfig
    folder: Path
    store: Path
    evaluator: str
    n_threads: int
    n_workers: int
    execution: Execution
    sharing: Sharing = SHARED_FOLDER
    train_until_s: float | None = None

    @property
    def train_folder(self) -> Path:
        """Where Ray Train keeps checkpoints: of a URL, there and never here."""
        return self.folder.parents[1] / "train"

    def here(self) -> "TrialJob":
        """With paths of this node, and what another node has left of the trial."""
        job = replace(
            self, folder=self.sharing.here(self.folder), store=self.sharing.here(self.store)
        )
        for path in (job.store / MANIFEST, job.folder / TRAINED_FILE, job.folder / LOSS_FILE):
            self.sharing.fetch(path)
        return job


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
            name=run_name(job),
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


def run_name(job: TrialJob) -> str:
    """Named after the trial: Ray Train goes on with a run of the same name."""
    return f"train-{job.folder.name}"


def checkpoint_upload(job: TrialJob) -> Callable[[Any, str], Any] | None:
    """How a worker's checkpoint comes to the URL; None where Ray copies it to a folder.

    Ray itself would push by pyarrow's ``copy_files``, which loses a write that the server refuses.
    """
    if not isinstance(job.sharing, UrlMirror):
        return None

    def upload(checkpoint: Any, name: str) -> Any:
        from ray.train import Checkpoint

        at = job.train_folder / run_name(job) / name
        job.sharing.push_tree(Path(checkpoint.path), to=at, last="state.json")
        ray_storage = job.sharing.for_ray(at)
        return Checkpoint(ray_storage["storage_path"], ray_storage["storage_filesystem"])

    return upload


def has_trained(job: TrialJob) -> bool:
    """Whether the training of a trial has ended, one way or the other, on whichever node."""
    from orchestration.study.outcomes import read_training

    job.sharing.fetch(job.folder / TRAINED_FILE)
    return read_training(job.folder) is not None


def train_worker(given: dict[str, Any]) -> None:
    """The Ray Train worker: train, report each epoch, hand weights to the evaluator."""
    import ray

    from orchestration.trials.training_run import TrainingRun

    job: TrialJob = given["job"].here()
    evaluator = ray.get_actor(job.evaluator, namespace=NAMESPACE)
    TrainingRun(job, evaluator, given["latents"]).run()
