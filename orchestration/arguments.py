"""From what was typed to a complete sweep: defaults filled in, files found, cohort read."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from evaluation.organs.weights import (
    PHANTOM_WEIGHTS,
    check_weights,
    is_phantom_weights,
    networks_for,
)
from ldm.config import Crop, TrialConfig
from ldm.data.cohort.case import Listing
from ldm.data.cohort.cohort import Cohort
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.pseudonyms import salt_beside
from ldm.data.cohort.reading import read_cohort
from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from ldm.errors import InputError
from ldm.execution import PLAIN, Execution
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, RECIPES
from orchestration.progress import scan_progress
from orchestration.settings import Space, SweepConfig
from orchestration.storage.mirror import folder_of, sharing_of
from search_spaces.study import study_models

DEFAULT_TRIALS = 4
GET_AUTOENCODER = "python -m monai.bundle download brats_mri_generative_diffusion --bundle_dir ."


class RecipeName(StrEnum):
    """The recipes that a sweep can start from."""

    DEMO = "demo"
    FULL = "full"
    THESIS = "thesis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What the command line was given; None where nothing was said.

    ``storage`` is a folder or a URL.
    """

    crop: Crop
    data: Path | None
    recipe: RecipeName
    space: Space
    n_trials: int | None
    epochs: int | None
    seed: int
    storage: str
    tracking_uri: str | None
    address: str | None
    autoencoder: Path | None
    segmenter_weights: Path | None
    allow_phantom_weights: bool
    cache: Path
    n_workers: int = 1
    execution: Execution = PLAIN
    hash_cases: bool = False
    until_s: float | None = None
    night: str | None = None
    rescored: str | None = None


def resolve(arguments: Arguments, console: Console) -> tuple[SweepConfig, Cohort]:
    """The sweep and its cohort; raises InputError for whatever is missing or wrong.

    Prints first what is phantom about the run, then which scans were left out and why.
    """
    sharing, storage = sharing_of(arguments.storage), folder_of(arguments.storage)
    sharing.check(writes=False)
    base = base_config(arguments)
    listing = _given_cases(arguments)
    is_phantom_data = listing is None or listing.is_phantom
    autoencoder = _autoencoder(arguments, base, is_phantom_data)
    weights = _segmenter_weights(arguments, is_phantom_data)
    if listing is None:
        listing = list_cases(_generate_phantoms(arguments, storage, console))
    parts = [
        *(["generated phantoms instead of scans"] if is_phantom_data else []),
        *(["an autoencoder trained on phantoms"] if autoencoder == PHANTOM_AUTOENCODER else []),
        *(["TotalSegmentator weights trained on phantoms"] if is_phantom_weights(weights) else []),
    ]
    config = SweepConfig(
        base=base,
        space=arguments.space,
        n_trials=_n_trials(arguments),
        cohort=listing.folder,
        storage=storage,
        tracking_uri=arguments.tracking_uri or local_tracking_uri(storage),
        address=arguments.address,
        autoencoder=autoencoder,
        segmenter_weights=weights,
        phantom_parts=tuple(parts),
        seed=arguments.seed,
        n_workers=arguments.n_workers,
        execution=arguments.execution,
        hides_names=arguments.hash_cases,
        sharing=sharing,
        until_s=arguments.until_s,
        night=arguments.night,
        rescored=arguments.rescored,
    )
    if config.phantom_notice:
        console.print(config.phantom_notice, style="yellow", highlight=False, soft_wrap=True)
    cohort = _read(config, listing, arguments.cache, console)
    for exclusion in cohort.exclusions:
        line = f"left out {exclusion.case_id}: {exclusion.reason}"
        console.print(line, markup=False, soft_wrap=True)
    return config, cohort


def base_config(arguments: Arguments) -> TrialConfig:
    """The recipe with the epochs and the seed that were asked for; all else keeps its place."""
    base = RECIPES[arguments.recipe](arguments.crop)
    training = dataclasses.replace(base.training, seed=arguments.seed)
    if arguments.epochs is not None:
        factor = arguments.epochs / training.epochs
        first, second = (max(1, round(m * factor)) for m in training.schedule.milestones_epochs)
        schedule = dataclasses.replace(
            training.schedule, milestones_epochs=(first, max(first + 1, second))
        )
        training = dataclasses.replace(
            training,
            epochs=arguments.epochs,
            schedule=schedule,
            checkpoint_every_epochs=max(1, round(training.checkpoint_every_epochs * factor)),
            evaluate_every_epochs=max(1, round(training.evaluate_every_epochs * factor)),
        )
    sampling = dataclasses.replace(base.sampling, seed=arguments.seed)
    return dataclasses.replace(base, training=training, sampling=sampling)


def _n_trials(arguments: Arguments) -> int:
    if arguments.space is not Space.THESIS:
        return arguments.n_trials or DEFAULT_TRIALS
    n_models = len(study_models(arguments.crop))
    return min(arguments.n_trials or n_models, n_models)


def _given_cases(arguments: Arguments) -> Listing | None:
    """What the folder lists that was given; listed once, for a folder of DICOM is searched."""
    return None if arguments.data is None else list_cases(arguments.data.expanduser().absolute())


def _generate_phantoms(arguments: Arguments, storage: Path, console: Console) -> Path:
    # Nodes of a cluster share the storage, not this user's cache.
    cache = arguments.cache if arguments.address is None else storage
    with scan_progress(console) as progress:
        task = progress.add_task("generating phantoms", total=None)
        return ensure_phantom_cohort(
            cache,
            seed=arguments.seed,
            on_scan=lambda done, total: progress.update(task, completed=done, total=total),
        )


def local_tracking_uri(storage: Path) -> str:
    """MLflow's own database in an absolute storage folder, where no server was named."""
    return f"sqlite:///{storage / 'mlflow.db'}"


def _read(config: SweepConfig, listing: Listing, cache: Path, console: Console) -> Cohort:
    with scan_progress(console) as progress:
        task = progress.add_task("reading the scans", total=None)
        return read_cohort(
            listing,
            crop=config.base.image.crop,
            cache=cache,
            salt=salt_beside(config.storage) if config.hides_names else None,
            on_scan=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _autoencoder(arguments: Arguments, base: TrialConfig, is_phantom_data: bool) -> Path:
    if arguments.autoencoder is not None:
        path = arguments.autoencoder.expanduser().absolute()
        if not path.is_file():
            raise InputError(f"--autoencoder must be a file, {path} is not there")
        return path
    if base.autoencoder != DEMO_AUTOENCODER:
        raise InputError(
            f"recipe {base.recipe} needs --autoencoder FILE: model_autoencoder.pt of MONAI's "
            f"brats_mri_generative_diffusion bundle ({GET_AUTOENCODER})"
        )
    if not (is_phantom_data or arguments.allow_phantom_weights):
        raise refused("an autoencoder", "--autoencoder FILE")
    return PHANTOM_AUTOENCODER


def _segmenter_weights(arguments: Arguments, is_phantom_data: bool) -> Path:
    if arguments.segmenter_weights is None:
        if not (is_phantom_data or arguments.allow_phantom_weights):
            raise refused("TotalSegmentator weights", "--totalsegmentator-weights DIR")
        weights = PHANTOM_WEIGHTS
    else:
        weights = arguments.segmenter_weights.expanduser().absolute()
    check_weights(weights, networks_for(arguments.crop))
    return weights


def refused(what: str, option: str) -> InputError:
    """Nothing stands in on real scans for what was made for them, unless it is asked for."""
    return InputError(
        f"real scans need {what} made for them, and none was given: pass {option}, or "
        "--allow-phantom-weights to try the program with weights that know only phantoms"
    )
