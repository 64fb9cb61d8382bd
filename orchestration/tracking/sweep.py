"""Log a sweep or a preparation as a whole: the parent run in MLflow."""

import re
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from ldm.config import InputSize
from ldm.data.cohort.cohort import Cohort
from ldm.data.latents.store import StoreManifest
from ldm.files.dataclass_json import flat
from orchestration.code_version import code_version
from orchestration.masked import masked
from orchestration.settings import SweepConfig
from orchestration.storage.mirror import url_of
from orchestration.study.outbox import SWEEP
from orchestration.tracking.contact_sheets import contact_sheets
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker

CLOSE_TRACKING_S = 30.0
MAX_TAG = 500
UNKNOWN_TO_MLFLOW = r"[^\w. -]"


def start_tracker(
    config: SweepConfig,
    cohort: Cohort,
    manifests: Mapping[InputSize, StoreManifest],
    *,
    folder: Path | None = None,
) -> Tracker:
    """Open the run of a whole sweep, the parent of the runs of its trials. Returns its tracker.

    The run has the configuration as parameters, and the reason of each exclusion as a tag. The
    exclusions are those in ``manifests``, the manifests of the latent stores. ``folder`` is the
    folder of the outbox, by default that of the study.
    """
    folder = folder or config.folder
    target = TrackingTarget(
        tracking_uri=config.tracking_uri,
        experiment=f"pancreatune/{config.base.image.crop}",
        study=config.sharing.address(folder),
        artifacts=str(config.storage / "mlflow-artifacts" / config.base.image.crop),
        storage=url_of(config.sharing),
    )
    tracker = Tracker(folder, target)
    exclusions = {one.case_id: one.reason for m in manifests.values() for one in m.exclusions}
    tags = {
        "crop": str(config.base.image.crop),
        "recipe": config.base.recipe,
        "space": str(config.options.space),
        "cohort": cohort.fingerprint,
        "n_excluded": str(len({one for m in manifests.values() for one in m.exclusions})),
        "code_version": code_version() or "not known",
    }
    tags |= {tag_of(case_id): reason[:MAX_TAG] for case_id, reason in exclusions.items()}
    if config.phantom_notice:
        tags["phantom"] = config.phantom_notice
    if config.options.night:
        tags["nightly"] = config.options.night
    tracker.start_run(SWEEP, folder.name, flat(config.base), tags)
    return tracker


def tag_of(case_id: str) -> str:
    """Return the tag for an excluded case.

    MLflow rejects a tag with a character other than letters, digits, "_", ".", " " and "-", and
    the records after it would never be sent. Such characters become "_".
    """
    return f"excluded.{re.sub(UNKNOWN_TO_MLFLOW, '_', case_id)}"


def geometry(manifest: StoreManifest) -> dict[str, float]:
    """Return what the model sees of the crop, and the voxel size of its grid, for MLflow.

    Each axis has two entries: ``field_of_view_fraction.x`` is the fraction of the crop's length
    that the model sees, and ``grid_spacing_mm.x`` is the voxel size in mm. Both are means over the
    training split, rounded to 4 decimals.
    """
    values = {
        "field_of_view_fraction": manifest.field_of_view_fraction,
        "grid_spacing_mm": manifest.mean_spacing_mm,
    }
    return {
        f"{name}.{axis}": round(value, 4)
        for name, triple in values.items()
        for axis, value in zip("xyz", triple, strict=True)
    }


def log_contact_sheets(
    tracker: Tracker, config: SweepConfig, stores: Mapping[InputSize, Path]
) -> None:
    """Log the contact sheets of each input size, in an artifact folder named after the size.

    ``stores`` has the folder of the latent store of each input size. Sheets that do not exist yet
    are drawn.
    """
    for size, store in stores.items():
        config.sharing.fetch_tree(store)
        pages = contact_sheets(store, config.base.image.crop, size)
        config.sharing.push(*pages)
        tracker.log_artifacts(SWEEP, pages, to=f"contact_sheets/{size}")


def finish_tracking(tracker: Tracker, config: SweepConfig, console: Console) -> None:
    """Send the remaining records to MLflow, for at most half a minute.

    Records that could not be sent stay in the outbox, and the console shows how to send them.
    """
    n_waiting = tracker.close(CLOSE_TRACKING_S)
    print_notes(tracker, console)
    if n_waiting:
        console.print(
            f"{n_waiting} records could not be sent to MLflow at {masked(config.tracking_uri)} "
            f"({tracker.last_error}). They are kept. To send them later, run\n"
            f"  pancreatune sync {tracker.folder}",
            highlight=False,
            soft_wrap=True,
        )


def print_notes(tracker: Tracker, console: Console) -> None:
    """Print what was made whole again in MLflow, for example after a run was deleted there."""
    for note in tracker.notes:
        console.print(note, style="yellow", highlight=False, soft_wrap=True, markup=False)
