"""The settings and folders of a trial. Many processes import this module, so it is light."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ldm.config import TrialConfig
from ldm.execution import Execution
from orchestration.storage.mirror import UrlMirror
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from orchestration.study.outcomes import TRAINING_FILE
from orchestration.study.stores import MANIFEST

LOSS_FILE = "loss.jsonl"  # in the folder of a trial


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialJob:
    """What a worker needs to train a trial.

    Attributes
    ----------
    config
        The configuration of the trial.
    folder
        The folder of the trial, on the node that made this job.
    store
        The latent store to train on, on the node that made this job.
    evaluator
        Name of the evaluation actor.
    n_threads
        CPU threads of each worker.
    n_workers
        Workers that train the trial together.
    execution
        Settings of the computation that do not change the results.
    sharing
        How nodes share the files of the storage.
    stops_early
        Whether the trial ends early if it is not learning, or if others are clearly better.
    train_until_s
        Unix time at which the trial saves a checkpoint and pauses. None for no limit.
    """

    config: TrialConfig
    folder: Path
    store: Path
    evaluator: str
    n_threads: int
    n_workers: int
    execution: Execution
    sharing: Sharing = SHARED_FOLDER
    stops_early: bool = True
    train_until_s: float | None = None

    @property
    def train_folder(self) -> Path:
        """Return the folder of Ray Train's checkpoints.

        If the storage is a URL, they are only at the URL of this folder.
        """
        return self.folder.parents[1] / "train"

    @property
    def run_name(self) -> str:
        """Return the name of the Ray Train run. Ray resumes a run of the same name."""
        return f"train-{self.folder.name}"

    def here(self) -> "TrialJob":
        """Return the job with the paths of this node. Fetches files that other nodes wrote."""
        job = replace(
            self, folder=self.sharing.here(self.folder), store=self.sharing.here(self.store)
        )
        for path in (job.store / MANIFEST, job.folder / TRAINING_FILE, job.folder / LOSS_FILE):
            self.sharing.fetch(path)
        return job


def checkpoint_upload(job: TrialJob) -> Callable[[Any, str], Any] | None:
    """Return a function that uploads a worker's checkpoint to the URL of the storage.

    None if the storage is a folder, to which Ray copies it. For a URL, Ray would use pyarrow's
    ``copy_files``, which does not notice if the server refuses a write.
    """
    if not isinstance(job.sharing, UrlMirror):
        return None

    def upload(checkpoint: Any, name: str) -> Any:
        from ray.train import Checkpoint

        at = job.train_folder / job.run_name / name
        job.sharing.push_tree(Path(checkpoint.path), to=at, last="state.json")
        ray_storage = job.sharing.for_ray(at)
        return Checkpoint(ray_storage["storage_path"], ray_storage["storage_filesystem"])

    return upload
