"""Check what a sweep needs. Each function checks one thing and says how to get it if missing."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.organs.weights import PHANTOM_WEIGHTS, check_weights, networks_for
from ldm.config import Crop, InputSize
from ldm.data.cohort.case import Listing
from ldm.data.cohort.inspection import Findings, inspect_or_reason
from ldm.data.phantom.phantom_cohort import N_SCANS
from ldm.errors import InputError
from ldm.files.writable import nearest_folder
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, RECIPES
from orchestration.options import RecipeName
from orchestration.resolution import GET_AUTOENCODER
from orchestration.storage.mirror import sharing_of
from orchestration.storage.object_store import is_url

if TYPE_CHECKING:
    from orchestration.preflight.disk_forecast import DiskForecast

DECATHLON = "http://medicaldecathlon.com (Task07_Pancreas.tar)"
SPARE_GIB = 1.0  # for the files of Ray, MLflow and TotalSegmentator during a sweep
STAND_IN = ": trained on phantoms, refused for real scans without --allow-phantom-weights"
SCANS, HARDWARE, MLFLOW, RAY = "scans", "hardware", "MLflow", "Ray"  # names of findings

N_SCANS_READ, MOST_SCANS_READ = 2, 6  # each takes a few seconds
READ_AGAIN = "correct what it names, and run the doctor again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a sweep needs.

    Attributes
    ----------
    name
        Name of the thing.
    is_here
        Whether it was found and can be used.
    seen
        What was found.
    remedy
        How to get it.
    """

    name: str
    is_here: bool
    seen: str
    remedy: str = ""


def missing(name: str, error: InputError) -> Finding:
    """Return the finding that a thing is missing. ``error`` says what was seen, and the remedy."""
    return Finding(name=name, is_here=False, seen=error.finding, remedy=error.remedy or READ_AGAIN)


def scans(listed: Listing | InputError | None) -> Finding:
    """Return the finding about the scans: how many there are, or why they cannot be listed.

    ``listed`` is the listing of the user's folder, or the error if it could not be listed. It is
    None if the user gave no folder; a sweep then generates phantoms.
    """
    if listed is None:
        return Finding(name=SCANS, is_here=True, seen="phantoms, generated when first needed")
    if isinstance(listed, InputError):
        return Finding(
            name=SCANS, is_here=False, seen=str(listed), remedy=f"published at {DECATHLON}"
        )
    n_bad = len(listed.bad_entries)
    bad = f", and {n_bad} that cannot be used ({listed.bad_entries[0].error})" if n_bad else ""
    return Finding(
        name=SCANS,
        is_here=len(listed.cases) > 0,
        seen=f"{listed.folder} lists {len(listed.cases)} scans{bad}",
        remedy="correct its entries",
    )


def first_scans(listed: Listing) -> Finding:
    """Read the first scans of a listing, and say which are usable, and why others are not.

    This shows, before a sweep reads all scans, whether their values are HU. A sweep leaves out
    scans that are not usable, so they are missing only if none that is read can be used. At least 2
    scans are read if there are as many, and at most 6, until one can be used.
    """
    outcomes: list[Findings | str] = []
    for case in listed.cases[:MOST_SCANS_READ]:
        if len(outcomes) >= N_SCANS_READ and any(not isinstance(one, str) for one in outcomes):
            break
        outcomes.append(inspect_or_reason(case))
    reasons = [one for one in outcomes if isinstance(one, str)]
    name, n_read, n_bad = "values of scans", len(outcomes), len(reasons)
    if not reasons:
        return Finding(name=name, is_here=True, seen=f"the first {n_read} scans are read and in HU")
    if n_bad < n_read:
        seen = f"{n_read - n_bad} of the first {n_read} scans are in HU, {n_bad} would be left out"
        return Finding(name=name, is_here=True, seen=f"{seen}: {'; '.join(reasons)}")
    return Finding(
        name=name,
        is_here=False,
        seen=f"none of the first {n_read} scans can be used: {reasons[0]}",
        remedy="mend them or take them out; a dry run (--dry-run) names all that would be left out",
    )


def are_phantoms(listed: Listing | InputError | None) -> bool:
    """Return True if the scans are phantoms, for which weights trained on phantoms are right.

    ``listed`` is the argument of ``scans``.
    """
    return listed is None or (isinstance(listed, Listing) and listed.is_phantom)


def autoencoder_weights(
    recipe: RecipeName, path: Path | None, *, allow_phantom_weights: bool
) -> Finding:
    """Check that there are weights that fit the recipe's autoencoder.

    ``path`` is the given file. If it is None, recipe demo uses weights that were trained on
    phantoms, if ``allow_phantom_weights`` allows them. The other recipes need a file.
    """
    config = RECIPES[recipe](Crop.PANCREAS).autoencoder
    name, remedy = "autoencoder", f"get MONAI's model_autoencoder.pt: {GET_AUTOENCODER}"
    if config == DEMO_AUTOENCODER:  # MONAI's network is larger
        remedy = "train one on CT: pancreatune train-autoencoder --data DIR --to NEW_DIR"
    if path is None and config == DEMO_AUTOENCODER:
        seen = f"{PHANTOM_AUTOENCODER}{'' if allow_phantom_weights else STAND_IN}"
        return Finding(name=name, is_here=allow_phantom_weights, seen=seen, remedy=remedy)
    if path is None:
        return Finding(name=name, is_here=False, seen="no --autoencoder", remedy=remedy)
    import torch

    from ldm.autoencoder.model import load_autoencoder

    try:
        load_autoencoder(config, path, torch.device("cpu"))
    except InputError as error:
        return missing(name, error)
    return Finding(name=name, is_here=True, seen=f"{path} fits recipe {recipe}")


def segmenters(
    crop: Crop, weights: Path | None, *, allow_phantom_weights: bool
) -> Iterator[Finding]:
    """Yield a finding for each TotalSegmentator network that the crop needs: are its weights here?

    ``weights`` is the folder that the user gave. Without one, the weights that were trained on
    phantoms are found if ``allow_phantom_weights``; otherwise weights count as missing.
    """
    for network in networks_for(crop):
        name = f"TotalSegmentator {network.task} at {network.spacing_mm:g} mm"
        try:
            check_weights(weights or PHANTOM_WEIGHTS, [network])
        except InputError as error:
            yield missing(name, error)
        else:
            is_stand_in = weights is None and not allow_phantom_weights
            seen = str(network.folder_in(weights or PHANTOM_WEIGHTS))
            yield Finding(
                name=name,
                is_here=not is_stand_in,
                seen=f"{seen}{STAND_IN if is_stand_in else ''}",
                remedy=f"totalseg_download_weights -t {network.task}_fast",
            )


def forecast(
    crop: Crop, recipe: RecipeName, listed: Listing | InputError | None, n_trials: int
) -> "DiskForecast":
    """Forecast the disk space of a sweep.

    ``listed`` is the argument of ``scans``. Latents count as 0 if the scans cannot be listed.
    """
    from orchestration.preflight.disk_forecast import forecast_disk  # slow: it imports torch

    n_scans = N_SCANS if listed is None else 0
    if isinstance(listed, Listing):
        n_scans = len(listed.cases)
    return forecast_disk(
        RECIPES[recipe](crop), n_trials=n_trials, n_scans=n_scans, n_input_sizes=len(InputSize)
    )


def object_storage(storage: str) -> Iterator[Finding]:
    """Check that objects can be written, read and removed at a URL. Yields nothing for a folder."""
    if not is_url(storage):
        return
    name, done = "object storage", f"{storage}: an object was written, read and removed"
    try:
        sharing_of(storage).check(writes=True)
    except InputError as error:
        yield missing(name, error)
    else:
        yield Finding(name=name, is_here=True, seen=done)


def room(storage: Path, needed: "DiskForecast") -> Finding:
    """Check that the storage is writable and has enough free space for the sweep.

    If the folder does not exist yet, its nearest parent is checked.
    """
    folder = nearest_folder(storage.absolute())
    free_gib = shutil.disk_usage(folder).free / 2**30
    can_write = os.access(folder, os.W_OK)
    needed_gib = needed.total_gib + SPARE_GIB
    return Finding(
        name="storage",
        is_here=can_write and free_gib >= needed_gib,
        seen=f"{folder} is {'' if can_write else 'not '}writable, {free_gib:.0f} GiB are free, "
        f"the sweep needs {needed_gib:.1f}",
        remedy=f"give a writable --storage with {needed_gib:.1f} GiB or more",
    )


def hardware(recipe: RecipeName, n_cpus: int, n_gpus: int) -> Finding:
    """Check that there is a GPU. Only the demo recipe works without one."""
    return Finding(
        name=HARDWARE,
        is_here=n_gpus > 0 or recipe is RecipeName.DEMO,
        seen=f"{n_cpus} CPUs, {n_gpus} GPUs",
        remedy=f"recipe {recipe} trains on GPUs of 48 GB: join a cluster that has some (--address)",
    )
