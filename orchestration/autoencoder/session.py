"""Train an autoencoder from start to end: cohort, Ray, grids, training, and its MLflow run."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from evaluation.organs.weights import BODY_6MM, PHANTOM_WEIGHTS, check_weights
from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.autoencoder.data import describe_cohort, describe_scans
from ldm.autoencoder.quality import WEIGHTS_FILE, describe_quality, read_qualities
from ldm.autoencoder.request import (
    PHANTOM_NOTICE,
    AutoencoderRequest,
    claim_folder,
    configuration,
    find_cohort,
)
from ldm.config import Crop
from ldm.data.cohort.cohort import Cohort
from ldm.errors import InputError, PancreatuneError
from orchestration.autoencoder.tracking import AutoencoderTracking
from orchestration.cluster import connect, present_token
from orchestration.no_telemetry import stay_on_loopback
from orchestration.progress import scan_progress
from orchestration.study.outbox import SWEEP

CLOSE_TRACKING_S = 30.0


def run_session(
    request: AutoencoderRequest,
    *,
    tracking_uri: str | None,
    address: str | None,
    segmenter_weights: Path | None,
    allow_phantom_weights: bool,
    console: Console,
) -> int:
    """Run or resume the training of an autoencoder. Returns 0.

    ``tracking_uri`` defaults to a database file in the training's folder. ``address`` is that of a
    running Ray cluster, or None to start Ray on this machine.

    ``segmenter_weights`` is the folder of TotalSegmentator's weights, which only the semi-body crop
    of real scans needs. If it is None, ``allow_phantom_weights`` allows weights that were trained
    on phantoms.

    Raises InputError if something is missing or wrong, and PancreatuneError if the training fails.
    """
    config = configuration(request)
    cohort = _find_cohort(request, console)
    weights = _segmenter_weights(config, cohort, segmenter_weights, allow_phantom_weights)
    claim_folder(request.to, config, cohort)
    if cohort.is_phantom:
        console.print(PHANTOM_NOTICE, style="yellow")
    _print_lines(console, describe_cohort(cohort))
    tracking = AutoencoderTracking(
        tracking_uri=tracking_uri or f"sqlite:///{request.to / 'mlflow.db'}",
        folder=request.to,
        cohort=cohort.fingerprint,
        is_phantom=cohort.is_phantom,
    )
    if read_qualities(request.to) is None:
        line = f"training; progress is written to {request.to / 'metrics.jsonl'}"
        console.print(line, highlight=False, soft_wrap=True)
        _train(request, config, cohort, tracking, console, weights=weights, address=address)
    _conclude(request.to, config, tracking, console)
    return 0


def _find_cohort(request: AutoencoderRequest, console: Console) -> Cohort:
    with scan_progress(console) as progress:
        task = progress.add_task("finding the scans", total=None)
        return find_cohort(
            request,
            n_workers=None,
            on_scan=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _segmenter_weights(
    config: AutoencoderTrainingConfig, cohort: Cohort, given: Path | None, allow_phantom: bool
) -> Path | None:
    """Return the weights that find the trunk of real scans, or None if the crops do not need it.

    Raises InputError if they are needed and missing.
    """
    if Crop.SEMI_BODY not in config.crops or cohort.is_phantom:
        return None
    if given is None and not allow_phantom:
        raise InputError(
            f"the crop {Crop.SEMI_BODY} of real scans needs TotalSegmentator weights",
            seen="none were given",
            remedy="pass --totalsegmentator-weights DIR, or name the other crops with --crop",
        )
    weights = PHANTOM_WEIGHTS if given is None else given.expanduser().absolute()
    check_weights(weights, [BODY_6MM])
    return weights


def _train(
    request: AutoencoderRequest,
    config: AutoencoderTrainingConfig,
    cohort: Cohort,
    tracking: AutoencoderTracking,
    console: Console,
    *,
    weights: Path | None,
    address: str | None,
) -> None:
    if address is None:
        stay_on_loopback()
    else:
        present_token()
    import ray

    from orchestration.autoencoder.job import (
        AutoencoderJob,
        fit,
        largest_node_cpus,
        put_all_on_grids,
    )

    _, n_gpus = connect(address)
    try:
        scans = put_all_on_grids(cohort, config, request, weights)
        _print_lines(console, describe_scans(scans))
        job = AutoencoderJob(
            config=config,
            folder=request.to,
            scans=scans,
            perceptual=request.perceptual,
            tracking=tracking,
            n_threads=1 if n_gpus else largest_node_cpus(),
        )
        fit(job, n_gpus=min(n_gpus, 1))
    except PancreatuneError:
        _end(tracking, config, "FAILED")
        raise
    finally:
        ray.shutdown()


def _conclude(
    folder: Path, config: AutoencoderTrainingConfig, tracking: AutoencoderTracking, console: Console
) -> None:
    n_waiting = _end(tracking, config, "FINISHED")
    lines = describe_quality(read_qualities(folder) or ())
    if n_waiting:
        lines.append(
            f"{n_waiting} records could not be sent to MLflow and are kept. To send them, run\n"
            f"  pancreatune sync {folder}"
        )
    _print_lines(console, [*lines, f"weights: {folder / WEIGHTS_FILE}"])


def _print_lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _end(tracking: AutoencoderTracking, config: AutoencoderTrainingConfig, status: str) -> int:
    """Close the MLflow run. Returns how many records could not be sent."""
    tracker = tracking.open(config)
    tracker.end_run(SWEEP, status)
    return tracker.close(CLOSE_TRACKING_S)
