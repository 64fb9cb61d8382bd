"""Prepare the scans of a cohort without a sweep: ``pancreatune prepare``."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from ldm.config import InputSize
from ldm.data.cohort.cohort import Cohort, Split
from ldm.data.latents.cubes import describe_cubes
from ldm.data.latents.store import StoreManifest, read_manifest
from ldm.fingerprints import digest
from orchestration.cluster import connect, plan_slots, present_token
from orchestration.no_telemetry import stay_on_loopback
from orchestration.options import SweepOptions
from orchestration.resolution import resolve
from orchestration.settings import SweepConfig
from orchestration.storage.study_lock import study_lock
from orchestration.study.stores import missing_stores, stores_of


def prepare_cohort(options: SweepOptions, sizes: tuple[InputSize, ...], console: Console) -> int:
    """Prepare the latent store of each input size in ``sizes``, and print what it contains.

    Stores that exist are not prepared again. The preparation is also logged to MLflow. Returns 0.
    Raises InputError if an option is wrong.
    """
    config, cohort = resolve(options, console)
    stores = stores_of(config, cohort, sizes)
    is_new = bool(missing_stores(stores, config.sharing))
    if is_new:
        _prepare(config, cohort, stores, console)
    manifests = {size: read_manifest(folder) for size, folder in stores.items()}
    made_of = digest(" ".join(store.name for store in stores.values()))
    folder = config.storage / "preparations" / f"{config.base.image.crop}-{made_of}"
    if not (folder / "outbox.sent").is_file():
        with study_lock(folder, config.sharing):
            _track(config, cohort, stores, folder, console)
    console.print(_counts(cohort), highlight=False, soft_wrap=True)
    for size, store in stores.items():
        _describe(size, store, manifests[size], cohort, console)
    cubes = describe_cubes(next(iter(manifests.values())).scans)
    if cubes and not is_new:  # it was said when they were prepared
        console.print(cubes, markup=False, soft_wrap=True)
    return 0


def _prepare(
    config: SweepConfig, cohort: Cohort, stores: Mapping[InputSize, Path], console: Console
) -> None:
    if config.options.address is None:
        stay_on_loopback()
    else:
        present_token()
    import ray

    from orchestration.preparation.preparation import prepare
    from orchestration.study.inputs import hand_over_inputs

    slots = plan_slots(*connect(config.options.address))
    try:
        prepare(hand_over_inputs(config), cohort, stores, slots, console)
    finally:
        ray.shutdown()


def _track(
    config: SweepConfig,
    cohort: Cohort,
    stores: Mapping[InputSize, Path],
    folder: Path,
    console: Console,
) -> None:
    """Log the preparation with its contact sheets to MLflow, as a run in the crop's experiment."""
    from orchestration.study.outbox import SWEEP
    from orchestration.tracking.sweep import finish_tracking, log_contact_sheets, start_tracker

    manifests = {size: read_manifest(store) for size, store in stores.items()}
    tracker = start_tracker(config, cohort, manifests, folder=folder)
    log_contact_sheets(tracker, config, stores)
    tracker.end_run(SWEEP, "FINISHED")
    finish_tracking(tracker, config, console)


def _counts(cohort: Cohort) -> str:
    """Return how many scans are listed, and what each of them is used for."""
    train, validation, test = (len(cohort.of(split)) for split in Split)
    n_left_out = len(cohort.exclusions)
    return (
        f"cohort {cohort.name}: {train + validation + test + n_left_out} scans listed, {n_left_out}"
        f" left out when they were read; of the others {train} to train on, {validation} to"
        f" validate on, {test} kept for the final report and not prepared"
    )


def _describe(
    size: InputSize, store: Path, manifest: StoreManifest, cohort: Cohort, console: Console
) -> None:
    """Print what a store has. The scans that were left out before are no part of its counts."""
    seen = " x ".join(f"{fraction:.0%}" for fraction in manifest.field_of_view_fraction)
    voxel = " x ".join(f"{mm:.2f}" for mm in manifest.mean_spacing_mm)
    n_pages = len(list(store.glob("contact_sheet*.png")))
    more = f" and {n_pages - 1} more pages" if n_pages > 1 else ""
    usable = {scan.case_id for scan in cohort.scans}
    further = [one for one in manifest.exclusions if one not in cohort.exclusions]
    further = [one for one in further if one.case_id in usable]
    reasons = "".join(f"\n  left out {one.case_id}: {one.reason}" for one in further)
    n_given = len(manifest.scans) + len(further)
    console.print(
        f"input size {size}: {len(manifest.scans)} of {n_given} scans prepared, {len(further)} more"
        f" left out; the model sees {seen} of the crop at {voxel} mm per voxel{reasons}\n"
        f"  latents: {store}\n  contact sheet: {store / 'contact_sheet.png'}{more}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
