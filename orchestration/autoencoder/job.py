"""An autoencoder's training as a Ray Train job: Ray tasks put scans on grids, one worker trains.

The worker's checkpoints lie in the training's own folder, which every node reaches: a restarted
worker goes on from there, and so does the command without Ray.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import train

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.autoencoder.data import (
    AutoencoderGridJob,
    GriddedScans,
    grid_jobs,
    gridded_scans,
    is_done,
    leave_out,
)
from ldm.autoencoder.request import AutoencoderRequest
from ldm.data.cohort.cohort import Cohort
from ldm.errors import NonFiniteLossError, PancreatuneError
from orchestration.autoencoder.tracking import AutoencoderTracking, log_progress
from orchestration.worker_error import worker_error

MAX_WORKER_FAILURES = 3
CLOSE_TRACKING_S = 30.0
FAILURE_FILE = "failure.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderJob:
    """What a worker needs; all paths are reachable from every node."""

    config: AutoencoderTrainingConfig
    folder: Path
    scans: GriddedScans
    perceptual: Path | None
    tracking: AutoencoderTracking
    n_threads: int


def put_all_on_grids(
    cohort: Cohort,
    config: AutoencoderTrainingConfig,
    request: AutoencoderRequest,
    segmenter_weights: Path | None,
) -> GriddedScans:
    """Prepare the scans that are not there yet, a Ray task for each and each crop.

    TotalSegmentator's weights are for the trunk of real scans.
    """
    jobs = grid_jobs(cohort, config, request.to, hides_names=request.hides_names)
    grid = ray.remote(_grid).options(num_cpus=1)
    running = {grid.remote(job, segmenter_weights): job for job in jobs if not is_done(job)}
    for done, job in running.items():
        try:
            ray.get(done)
        except ray.exceptions.RayError as error:  # the scan's failure, not the training's
            place = job.scan.case.image
            leave_out(job, f"preparing it failed ({worker_error(error)}): look at {place}")
    return gridded_scans(cohort, jobs)


def _grid(job: AutoencoderGridJob, segmenter_weights: Path | None) -> None:
    """The Ray task; without weights, a phantom's trunk is its body."""
    from evaluation.trunk import trunk_finder
    from ldm.autoencoder.data import put_on_grids
    from ldm.autoencoder.request import trunk_of_phantom

    if segmenter_weights is None:
        put_on_grids(job, trunk_of_phantom)
    else:
        put_on_grids(job, trunk_finder(job.crop, segmenter_weights))


def largest_node_cpus() -> int:
    """How many CPUs one worker can have at most."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return int(max(resources.get("CPU", 1) for resources in nodes))


def fit(job: AutoencoderJob, *, n_gpus: int) -> None:
    """Run the job to its end; a worker that dies is started again, three times at most.

    Raises PancreatuneError with the reason when it fails.
    """
    from ray.train.torch import TorchTrainer

    from orchestration.lone_worker import LoneWorker

    (job.folder / FAILURE_FILE).unlink(missing_ok=True)
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"job": job},
        torch_config=LoneWorker(),
        scaling_config=train.ScalingConfig(
            num_workers=1,
            use_gpu=n_gpus > 0,
            resources_per_worker={"CPU": job.n_threads, "GPU": n_gpus},
        ),
        run_config=train.RunConfig(
            name="train",
            storage_path=str(job.folder / "ray"),
            failure_config=train.FailureConfig(max_failures=MAX_WORKER_FAILURES),
        ),
    )
    try:
        trainer.fit()
    except RuntimeError as error:  # Ray Train's, when a worker died once too often
        last_line = str(error).strip().splitlines()[-1]
        raise PancreatuneError(
            f"the training worker failed {MAX_WORKER_FAILURES + 1} times ({last_line}): mend that "
            "and give the same command again, it goes on from the last checkpoint"
        ) from error
    failure = job.folder / FAILURE_FILE
    if failure.is_file():
        raise NonFiniteLossError(failure.read_text())


def train_worker(given: dict[str, Any]) -> None:
    """The Ray Train worker: the loop, each report told to Ray and to MLflow.

    A loss that is not finite would be so again: its reason is written down, and nothing raised.
    """
    import torch

    from ldm.autoencoder.run import AutoencoderRun

    job: AutoencoderJob = given["job"]
    torch.set_num_threads(job.n_threads)
    run = AutoencoderRun(
        job.config,
        job.scans,
        folder=job.folder,
        perceptual=job.perceptual,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
    )
    tracker = job.tracking.open(job.config)
    try:
        for progress in run.progress():
            step, metrics = progress.report.step, progress.metrics()
            log_progress(tracker, step, metrics, [progress.picture] if progress.picture else [])
            train.report(metrics | {"step": step})
        qualities, picture = run.finish()
        last = {name: value for one in qualities for name, value in one.metrics().items()}
        log_progress(tracker, run.training.step, last, [picture])
    except NonFiniteLossError as error:
        (job.folder / FAILURE_FILE).write_text(str(error))
    finally:
        tracker.close(CLOSE_TRACKING_S)
