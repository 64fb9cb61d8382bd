"""What one trial is told, and where it keeps what it makes; light to import."""

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

LOSS_FILE = "loss.jsonl"  # of a trial's folder


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

    @property
    def run_name(self) -> str:
        """The name of the Ray Train run; Ray resumes a run of the same name."""
        return f"train-{self.folder.name}"

    def here(self) -> "TrialJob":
        """The same with the paths of this node; fetches what another node has left of the trial."""
        job = replace(
            self, folder=self.sharing.here(self.folder), store=self.sharing.here(self.store)
        )
        for path in (job.store / MANIFEST, job.folder / TRAINING_FILE, job.folder / LOSS_FILE):
            self.sharing.fetch(path)
        return job


def checkpoint_upload(job: TrialJob) -> Callable[[Any, str], Any] | None:
    """How a worker's checkpoint comes to the URL; None where Ray copies it to a folder.

    Ray itself would push by pyarrow's ``copy_files``, which loses a write that the server refuses.
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
