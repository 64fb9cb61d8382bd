"""Train an autoencoder with Ray: tasks resample the scans to grids, then one worker trains.

The checkpoints are in the folder of the training, which every node must reach. A restarted worker
resumes from there, and so does the command that trains without Ray.
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
    """Everything that the training worker needs. Every node must reach all paths.

    Attributes
    ----------
    config
        The configuration of the training.
    folder
        Folder of the checkpoints and results.
    scans
        The scans on their grids.
    perceptual
        Weights of the network for the perceptual loss, or None.
    tracking
        Where to log.
    n_threads
        Threads of the worker, and CPUs that Ray reserves for it.
    """

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
    """Resample the scans that are not on their grids yet, in one Ray task per scan and crop.

    A scan whose task fails is left out with its reason. ``request`` names the folder of the
    training. ``segmenter_weights`` is the folder of TotalSegmentator's weights, which find the
    trunk of real scans. It may be None for phantoms, and for crops that do not need the trunk.
    """
    jobs = grid_jobs(cohort, config, request.to, hides_names=request.hides_names)
    grid = ray.remote(_grid).options(num_cpus=1)
    running = {grid.remote(job, segmenter_weights): job for job in jobs if not is_done(job)}
    for done, job in running.items():
        try:
            ray.get(done)
        except ray.exceptions.RayError as error:  # one bad scan must not stop the training
            place = job.scan.case.image
            leave_out(job, f"preparing it failed ({worker_error(error)}): check {place}")
    return gridded_scans(cohort, jobs)


def _grid(job: AutoencoderGridJob, segmenter_weights: Path | None) -> None:
    """Resample one scan, as a Ray task.

    Without weights the scan must be a phantom, whose trunk is its whole body.
    """
    from evaluation.trunk import trunk_finder
    from ldm.autoencoder.data import put_on_grids
    from ldm.autoencoder.request import trunk_of_phantom

    if segmenter_weights is None:
        put_on_grids(job, trunk_of_phantom)
    else:
        put_on_grids(job, trunk_finder(job.crop, segmenter_weights))


def largest_node_cpus() -> int:
    """Return the number of CPUs of the largest node, which is the most that a worker can have."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return int(max(resources.get("CPU", 1) for resources in nodes))


def fit(job: AutoencoderJob, *, n_gpus: int) -> None:
    """Run the job to its end. A worker that dies is restarted up to three times.

    ``n_gpus`` is the number of GPUs of the worker. With 0, it trains on the CPU.

    Raises PancreatuneError if the worker keeps dying, and NonFiniteLossError if the loss becomes
    infinite or NaN.
    """
    from ray.train.torch import TorchTrainer

    from orchestration.lone_worker import LoneWorker

    (job.folder / FAILURE_FILE).unlink(missing_ok=True)
    trainer = TorchTrainer(
        train_autoencoder_worker,
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
    except RuntimeError as error:  # Ray Train raises it after the last restart failed
        last_line = str(error).strip().splitlines()[-1]
        raise PancreatuneError(
            f"the training worker failed {MAX_WORKER_FAILURES + 1} times ({last_line}): fix the "
            "cause and run the same command again, it resumes from the last checkpoint"
        ) from error
    failure = job.folder / FAILURE_FILE
    if failure.is_file():
        raise NonFiniteLossError(failure.read_text())


def train_autoencoder_worker(given: dict[str, Any]) -> None:
    """Train in a Ray Train worker, and report progress to Ray and MLflow.

    ``given`` has the ``AutoencoderJob`` under the name ``job``.

    If the loss is not finite, the reason is written to a file and nothing is raised: Ray would
    restart the worker, and the same loss would come again.
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
