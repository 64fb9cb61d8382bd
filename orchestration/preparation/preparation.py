"""Prepare latent stores from a cohort: Ray tasks read and crop scans, actors encode and write them.

Each scan is read once for all input sizes and is written as soon as it is encoded. The driver does
not import torch, and of the tasks only those of the semi-body crop do.
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
from ldm.data.cohort.cohort import Cohort, Exclusion, Scan
from ldm.data.cohort.pseudonyms import without_names
from ldm.data.latents.cubes import describe_cubes
from ldm.data.latents.draft import StoreDraft
from ldm.data.latents.store import READ_SPLITS, StoreManifest
from ldm.errors import ScanError
from orchestration.cluster import Slots
from orchestration.preparation.encoder_actor import EncoderActor
from orchestration.preparation.encoder_config import EncoderConfig
from orchestration.progress import scan_progress
from orchestration.settings import SweepConfig
from orchestration.storage.sharing import Sharing, fetched
from orchestration.study.inputs import fetched_scan
from orchestration.study.stores import MANIFEST, missing_stores
from orchestration.worker_error import worker_error

N_SCANS_AHEAD = 2  # gridded scans that wait in the object store for an encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTask:
    """What a Ray task needs to put a scan on the grids of all input sizes.

    ``images`` has the crop and grid of each input size. ``holds_pancreas`` says whether the cube of
    the semi-body crop must hold the pancreas. If ``hides_names`` is True, results contain no file
    name of the scan.
    """

    scan: Scan
    images: tuple[ImageConfig, ...]
    holds_pancreas: bool
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
    """Make the latent stores that are missing. Ray must be running.

    ``stores`` has the folder of the store of each input size. Stores that exist are kept. A scan
    that cannot be prepared is left out, and its reason is printed. If several sweeps need the same
    stores, one prepares them and the others wait.
    """
    with _locked(missing_stores(stores, config.sharing), console):
        # Look again: another sweep may have made them meanwhile.
        missing = missing_stores(stores, config.sharing)
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
        manifests = [_finish(draft, cohort, config.sharing) for draft in drafts.values()]
        cubes = describe_cubes(manifests[0].scans)  # the same of all input sizes
        if cubes:
            console.print(cubes, markup=False, soft_wrap=True)


def _draft(store: Path, sharing: Sharing) -> StoreDraft:
    """Return the draft of a store, with the scans that other nodes have prepared."""
    draft = StoreDraft(store)
    sharing.push_tree(draft.scans, to=store / "scans")
    sharing.fetch_tree(store / "scans", to=draft.scans)
    return draft


def _finish(draft: StoreDraft, cohort: Cohort, sharing: Sharing) -> StoreManifest:
    """Finish a store, share it, and return its manifest.

    Its manifest is pushed last, because it marks a store as finished.
    """
    sharing.push_tree(draft.scans, to=draft.target / "scans")  # the exclusions are new
    sharing.fetch_tree(draft.target / "scans", to=draft.scans)
    sharing.forget(draft.target)
    manifest = draft.finish(cohort)
    sharing.push(draft.target / MANIFEST)
    return manifest


@contextmanager
def _locked(stores: Mapping[InputSize, Path], console: Console) -> Iterator[None]:
    """Hold the locks of all stores.

    They are taken in one order, so that two sweeps cannot block each other. A lock is released if
    its holder is killed.
    """
    with ExitStack() as held:
        for folder in sorted(stores.values()):
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder.with_name(f".{folder.name}.lock"))
            try:
                held.enter_context(lock.acquire(timeout=0))
            except Timeout:
                console.print("waiting for another sweep, which is preparing the same scans")
                held.enter_context(lock.acquire())
        yield


def _prepare_scans(
    config: SweepConfig, scans: list[Scan], drafts: Mapping[InputSize, StoreDraft], slots: Slots
) -> Iterator[Exclusion | None]:
    """Yield once for each scan that is done, with its exclusion if it is left out.

    Only a few scans are processed at a time, so memory does not grow with the cohort.
    """
    images = tuple(replace(config.base.image, input_size=size) for size in drafts)
    grid = ray.remote(run_scan_task).options(num_cpus=1)
    encoders = _start_encoders(config, drafts, slots)
    n_under_way = slots.n_cpus + N_SCANS_AHEAD
    waiting = list(reversed(scans))
    running: dict[Any, Scan] = {}
    while waiting or running:
        while waiting and len(running) < n_under_way:
            scan = waiting.pop()
            task = ScanTask(
                scan=scan,
                images=images,
                holds_pancreas=config.options.semi_body_holds_pancreas,
                segmenter_weights=config.segmenter_weights,
                hides_names=config.options.hash_cases,
                sharing=config.sharing,
            )
            encoder = encoders[len(waiting) % len(encoders)]
            running[encoder.keep.remote(grid.remote(task))] = scan
        (done,), _ = ray.wait(list(running), num_returns=1)
        yield _outcome(done, running.pop(done), drafts, hides_names=config.options.hash_cases)
    for encoder in encoders:  # now, since trials need the memory
        ray.kill(encoder)


def _outcome(
    done: Any, scan: Scan, drafts: Mapping[InputSize, StoreDraft], *, hides_names: bool
) -> Exclusion | None:
    """Return the exclusion of a scan, or None if it was prepared.

    A task that died excludes its scan and does not end the sweep.
    """
    try:
        reason = ray.get(done)
    except ray.exceptions.RayError as error:
        reason = f"its preparation failed ({worker_error(error)}): check the scan {scan.case.image}"
    if reason is None:
        return None
    if hides_names:
        reason = without_names(reason, scan.case)
    exclusion = Exclusion(case_id=scan.case_id, reason=reason)
    for draft in drafts.values():
        draft.exclude(exclusion)
    return exclusion


def _start_encoders(
    config: SweepConfig, drafts: Mapping[InputSize, StoreDraft], slots: Slots
) -> list[Any]:
    """Start an encoder for each GPU, or one on the CPU."""
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


def run_scan_task(task: ScanTask) -> Any:
    """Return a scan on the grid of each input size, or the reason why it cannot be used."""
    from ldm.data.latents.gridding import grid_scan

    scan = fetched_scan(task.scan, task.sharing)
    try:
        gridded = grid_scan(
            scan, task.images, _trunk_finder(task), holds_pancreas=task.holds_pancreas
        )
    except ScanError as error:
        return str(error)
    if not task.hides_names:
        return gridded
    return [replace(one, scan=replace(one.scan, image=task.scan.case_id)) for one in gridded]


def _trunk_finder(task: ScanTask) -> Callable[..., Any]:
    from evaluation.trunk import trunk_finder

    weights = fetched(task.segmenter_weights, task.sharing)
    return trunk_finder(task.images[0].crop, weights)
