"""From a cohort to latent stores: Ray tasks read, crop and grid; actors encode and write.

Each scan is read once for all input sizes, is in memory alone in its task, and is kept as soon as
it is done. torch stays out of the driver, and out of the tasks but for the semi-body crop.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from filelock import FileLock, Timeout
from rich.console import Console

from ldm.config import ImageConfig, InputSize
from ldm.data.cohort.cohort import Cohort, Exclusion, Scan, named
from ldm.data.cohort.pseudonyms import without_names
from ldm.data.latents.store import READ_SPLITS, StoreDraft
from ldm.errors import ScanError
from orchestration.cluster import Slots
from orchestration.preparation.encoder_actor import EncoderActor, EncoderConfig
from orchestration.progress import scan_progress
from orchestration.settings import SweepConfig
from orchestration.storage.inputs import fetched_scan
from orchestration.storage.sharing import Sharing, fetched
from orchestration.storage.stores import MANIFEST, missing_stores
from orchestration.worker_error import worker_error

N_SCANS_AHEAD = 2  # beyond the tasks that run: gridded scans wait in the object store


@dataclass(frozen=True, slots=True, kw_only=True)
class GridJob:
    """What a task needs to grid one scan."""

    scan: Scan
    images: tuple[ImageConfig, ...]
    segmenter_weights: Path
    hides_names: bool
    sharing: Sharing


def prepare(
    config: SweepConfig,
    cohort: Cohort,
    stores: Mapping[InputSize, Path],
    slots: Slots,
    console: Console,
) -> None:
    """Make the stores that are missing; Ray is running. Of several sweeps one prepares."""
    with _locked(missing_stores(stores, config.sharing), console):
        missing = missing_stores(stores, config.sharing)  # another sweep may have made them
        if not missing:
            return
        drafts = {size: _draft(folder, config.sharing) for size, folder in missing.items()}
        scans = [scan for scan in cohort.scans if scan.split in READ_SPLITS]
        left = [s for s in scans if not all(draft.has(s.case_id) for draft in drafts.values())]
        with scan_progress(console) as progress:
            task = progress.add_task(
                "preparing scans", total=len(scans), completed=len(scans) - len(left)
            )
            for exclusion in _prepare_scans(config, left, drafts, slots):
                progress.advance(task)
                if exclusion is not None:
                    progress.console.print(
                        f"left out {exclusion.case_id}: {exclusion.reason}",
                        markup=False,
                        soft_wrap=True,
                    )
        for draft in drafts.values():
            _finish(draft, cohort, config.sharing)


def _draft(store: Path, sharing: Sharing) -> StoreDraft:
    """The draft of a store, with what was done of it on any node."""
    draft = StoreDraft(store)
    sharing.push_tree(draft.scans, to=store / "scans")
    sharing.fetch_tree(store / "scans", to=draft.scans)
    return draft


def _finish(draft: StoreDraft, cohort: Cohort, sharing: Sharing) -> None:
    """The manifest goes last: a store that has it is whole."""
    sharing.push_tree(draft.scans, to=draft.target / "scans")  # exclusions
    sharing.fetch_tree(draft.target / "scans", to=draft.scans)
    sharing.forget(draft.target)
    draft.finish(cohort)
    sharing.push(draft.target / MANIFEST)


@contextmanager
def _locked(stores: Mapping[InputSize, Path], console: Console) -> Iterator[None]:
    """Hold the lock of every store, taken in one order; a killed holder's lock is free."""
    with ExitStack() as held:
        for folder in sorted(stores.values()):
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder.with_name(f".{folder.name}.lock"))
            try:
                held.enter_context(lock.acquire(timeout=0))
            except Timeout:
                console.print("another sweep prepares these scans: waiting for it")
                held.enter_context(lock.acquire())
        yield


def _prepare_scans(
    config: SweepConfig, scans: list[Scan], drafts: Mapping[InputSize, StoreDraft], slots: Slots
) -> Iterator[Exclusion | None]:
    """Yields once for each scan as it is done, with its exclusion if it is left out.

    Few scans are under way at once: memory does not grow with the cohort.
    """
    images = tuple(replace(config.base.image, input_size=size) for size in drafts)
    grid = ray.remote(grid_scan).options(num_cpus=1)
    encoders = _start_encoders(config, drafts, slots)
    n_under_way = slots.n_cpus + N_SCANS_AHEAD
    waiting = list(reversed(scans))
    running: dict[Any, Scan] = {}
    while waiting or running:
        while waiting and len(running) < n_under_way:
            scan = waiting.pop()
            job = GridJob(
                scan=scan,
                images=images,
                segmenter_weights=config.segmenter_weights,
                hides_names=config.hides_names,
                sharing=config.sharing,
            )
            encoder = encoders[len(waiting) % len(encoders)]
            running[encoder.keep.remote(grid.remote(job))] = scan
        (done,), _ = ray.wait(list(running), num_returns=1)
        yield _outcome(done, running.pop(done), drafts, hides_names=config.hides_names)
    for encoder in encoders:  # at once: trials need what they hold
        ray.kill(encoder)


def _outcome(
    done: Any, scan: Scan, drafts: Mapping[InputSize, StoreDraft], *, hides_names: bool
) -> Exclusion | None:
    """What became of a scan; a task that died is the scan's failure, not the sweep's."""
    try:
        reason = ray.get(done)
    except ray.exceptions.RayError as error:
        reason = f"preparing it failed ({worker_error(error)}): look at the scan, {scan.image}"
    if reason is None:
        return None
    if hides_names:
        reason = without_names(reason, *named(scan))
    exclusion = Exclusion(case_id=scan.case_id, reason=reason)
    for draft in drafts.values():
        draft.exclude(exclusion)
    return exclusion


def _start_encoders(
    config: SweepConfig, drafts: Mapping[InputSize, StoreDraft], slots: Slots
) -> list[Any]:
    """One actor a GPU, or one on the CPU; they end with the last reference to them."""
    actor = ray.remote(EncoderActor).options(
        num_cpus=0, num_gpus=slots.trial_gpus, max_restarts=2, max_task_retries=2
    )
    encoder = EncoderConfig(
        autoencoder=config.base.autoencoder,
        weights=config.autoencoder,
        targets={size: draft.target for size, draft in drafts.items()},
        device="cuda" if slots.trial_gpus else "cpu",
        n_threads=slots.n_cpus,
        sharing=config.sharing,
    )
    return [actor.remote(encoder) for _ in range(slots.n_concurrent if slots.trial_gpus else 1)]


def grid_scan(job: GridJob) -> Any:
    """The Ray task: one scan on the grid of each input size, or the reason why not."""
    from ldm.data.latents.gridding import grid_scan as put_on_grids

    scan = fetched_scan(job.scan, job.sharing)
    try:
        gridded = put_on_grids(scan, job.images, _trunk_finder(job))
    except ScanError as error:
        return str(error)
    if not job.hides_names:
        return gridded
    return [replace(one, scan=replace(one.scan, image=job.scan.case_id)) for one in gridded]


def _trunk_finder(job: GridJob) -> Callable[..., Any]:
    from evaluation.trunk import trunk_finder

    weights = fetched(job.segmenter_weights, job.sharing)
    return trunk_finder(job.images[0].crop, weights)
