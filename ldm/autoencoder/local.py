"""Train an autoencoder in this process, without Ray and MLflow."""

from collections.abc import Iterator
from functools import partial

import torch

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.autoencoder.data import (
    GriddedScans,
    describe_cohort,
    describe_scans,
    grid_jobs,
    gridded_scans,
    is_done,
    put_on_grids,
)
from ldm.autoencoder.quality import WEIGHTS_FILE, describe_quality, read_qualities
from ldm.autoencoder.request import (
    PHANTOM_NOTICE,
    AutoencoderRequest,
    claim_folder,
    configuration,
    find_cohort,
    require_phantoms_for_semi_body,
    trunk_of_phantom,
)
from ldm.autoencoder.run import AutoencoderRun, Progress
from ldm.data.cohort.cohort import Cohort
from ldm.processes import results_as_they_come

RAY_COMMAND = "pancreatune train-autoencoder"


def train_here(request: AutoencoderRequest) -> Iterator[str]:
    """Prepare the scans, train and evaluate, and yield progress messages.

    A finished training in the same folder is not repeated. An interrupted one is resumed.
    """
    config = configuration(request)
    n_workers = torch.get_num_threads()
    cohort = find_cohort(request, n_workers=n_workers)
    require_phantoms_for_semi_body(config, cohort, RAY_COMMAND)
    claim_folder(request.to, config, cohort)
    if cohort.is_phantom:
        yield PHANTOM_NOTICE
    yield from describe_cohort(cohort)
    if read_qualities(request.to) is None:
        scans = _prepare(config, cohort, request, n_workers)
        yield from describe_scans(scans)
        yield from _train(config, scans, request)
    yield from describe_quality(read_qualities(request.to) or ())
    yield f"weights: {request.to / WEIGHTS_FILE}"


def _train(
    config: AutoencoderTrainingConfig, scans: GriddedScans, request: AutoencoderRequest
) -> Iterator[str]:
    run = AutoencoderRun(
        config,
        scans,
        folder=request.to,
        perceptual=request.perceptual,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
    )
    if run.training.step:
        yield f"resuming from step {run.training.step}"
    for progress in run.progress():
        yield from describe_progress(progress, config.n_steps)
    _, picture = run.finish()
    yield f"picture: {picture}"


def _prepare(
    config: AutoencoderTrainingConfig,
    cohort: Cohort,
    request: AutoencoderRequest,
    n_workers: int,
) -> GriddedScans:
    jobs = grid_jobs(cohort, config, request.to, hides_names=request.hides_names)
    left = [job for job in jobs if not is_done(job)]
    grid = partial(put_on_grids, find_trunk=trunk_of_phantom)
    for _ in results_as_they_come(grid, left, n_workers=n_workers):
        pass  # the workers write the results to disk
    return gridded_scans(cohort, jobs)


def describe_progress(progress: Progress, n_steps: int) -> Iterator[str]:
    """Yield a message for a report, and one for each crop that was evaluated.

    ``n_steps`` is the number of steps of the whole training.
    """
    report = progress.report
    yield (
        f"step {report.step} of {n_steps}: {report.error_hu:.1f} HU on training patches, "
        f"loss {report.loss:.4f}, {report.seconds_per_step:.2f} s per step"
    )
    yield from describe_quality(progress.qualities)
