"""Turn options into the complete settings of a sweep: fill in defaults, find files, read scans."""

import dataclasses
from pathlib import Path

from platformdirs import user_cache_path
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
from ldm.data.cohort.mask_labels import labels_in
from ldm.data.cohort.pseudonyms import salt_beside
from ldm.data.cohort.reading import read_cohort
from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from ldm.errors import InputError
from ldm.files.writable import check_writable
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, RECIPES
from orchestration.options import Space, SweepOptions
from orchestration.progress import scan_progress
from orchestration.settings import SweepConfig
from orchestration.storage.mirror import folder_of, sharing_of
from search_spaces.study import study_models

DEFAULT_TRIALS = 4
NOT_GIVEN = Path("not given")  # stands for weights that a dry run does without
PROGRAM = "pancreatune"  # names the folder of this user's cache
GET_AUTOENCODER = "python -m monai.bundle download brats_mri_generative_diffusion --bundle_dir ."


def resolve(
    options: SweepOptions, console: Console, *, needs_weights: bool = True
) -> tuple[SweepConfig, Cohort]:
    """Return the settings of a sweep and its cohort.

    Generates phantoms if no scans were given. Prints a notice if phantoms or weights for phantoms
    are used, then the scans that were left out with their reasons. Raises InputError if something
    is missing or wrong. Unless ``needs_weights``, weights that the user did not give are no error:
    their path is NOT_GIVEN.
    """
    sharing, storage = sharing_of(options.storage), folder_of(options.storage)
    sharing.check(writes=False)
    base = base_config(options)
    check_cube(options)
    listing = _given_cases(options)
    is_phantom_data = listing is None or listing.is_phantom
    autoencoder = _autoencoder(options, base, is_phantom_data, is_needed=needs_weights)
    weights = _segmenter_weights(options, is_phantom_data, is_needed=needs_weights)
    if listing is None:
        listing = list_cases(_generate_phantoms(options, storage, console))
    parts = [
        *(["generated phantoms instead of scans"] if is_phantom_data else []),
        *(["an autoencoder trained on phantoms"] if autoencoder == PHANTOM_AUTOENCODER else []),
        *(["TotalSegmentator weights trained on phantoms"] if is_phantom_weights(weights) else []),
    ]
    config = SweepConfig(
        options=options,
        base=base,
        n_trials=_n_trials(options),
        cohort=listing.folder,
        storage=storage,
        tracking_uri=options.tracking_uri or local_tracking_uri(storage),
        autoencoder=autoencoder,
        segmenter_weights=weights,
        phantom_parts=tuple(parts),
        sharing=sharing,
    )
    if config.phantom_notice:
        console.print(config.phantom_notice, style="yellow", highlight=False, soft_wrap=True)
    cohort = _read(config, listing, console)
    for exclusion in cohort.exclusions:
        line = f"left out {exclusion.case_id}: {exclusion.reason}"
        console.print(line, markup=False, soft_wrap=True)
    for note in cohort.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    return config, cohort


def check_cube(options: SweepOptions) -> None:
    """Raise InputError if a cube that holds the pancreas is asked for with another crop."""
    if options.semi_body_holds_pancreas and options.crop is not Crop.SEMI_BODY:
        raise InputError(
            f"--semi-body-holds-pancreas goes with --crop {Crop.SEMI_BODY}",
            seen=f"the crop is {options.crop}",
            remedy="leave it out",
        )


def base_config(options: SweepOptions) -> TrialConfig:
    """Return the recipe with the epochs and the seed of the options.

    Milestones, checkpoints and evaluations are scaled with the epochs.
    """
    base = RECIPES[options.recipe](options.crop)
    training = dataclasses.replace(base.training, seed=options.seed)
    if options.epochs is not None:
        factor = options.epochs / training.epochs
        first, second = (max(1, round(m * factor)) for m in training.schedule.milestones_epochs)
        schedule = dataclasses.replace(
            training.schedule, milestones_epochs=(first, max(first + 1, second))
        )
        training = dataclasses.replace(
            training,
            epochs=options.epochs,
            schedule=schedule,
            checkpoint_every_epochs=max(1, round(training.checkpoint_every_epochs * factor)),
            evaluate_every_epochs=max(1, round(training.evaluate_every_epochs * factor)),
        )
    sampling = dataclasses.replace(base.sampling, seed=options.seed)
    return dataclasses.replace(base, training=training, sampling=sampling)


def _n_trials(options: SweepOptions) -> int:
    if options.space is not Space.THESIS:
        return options.n_trials or DEFAULT_TRIALS
    n_models = len(study_models(options.crop))
    return min(options.n_trials or n_models, n_models)


def _given_cases(options: SweepOptions) -> Listing | None:
    """Return the cases of the given folder. None if phantoms should be generated."""
    if options.data is None:
        return None
    labels = labels_in(options.labels) if options.labels else None
    return list_cases(options.data.expanduser().absolute(), labels)


def _generate_phantoms(options: SweepOptions, storage: Path, console: Console) -> Path:
    # The nodes of a cluster can read the storage, but not this user's cache.
    cache = writable_cache() if options.address is None else storage
    with scan_progress(console) as progress:
        task = progress.add_task("generating phantoms", total=None)
        return ensure_phantom_cohort(
            cache,
            seed=options.seed,
            on_scan=lambda done, total: progress.update(task, completed=done, total=total),
        )


def writable_cache() -> Path:
    """Return the folder of this user's cache. Raises InputError if it cannot be written to."""
    path = user_cache_path(PROGRAM)
    try:
        if not path.is_absolute():  # the folder ~ of a user without a home
            raise OSError("there is no home folder")
        check_writable(path)
    except OSError as error:
        raise InputError(
            "the cache in the home folder must be writable",
            seen=f"{path} is not ({error})",
            remedy="set HOME or XDG_CACHE_HOME to a folder that you can write to",
        ) from error
    return path


def local_tracking_uri(storage: Path) -> str:
    """Return the URI of the MLflow database in a storage folder, which must be absolute."""
    return f"sqlite:///{storage / 'mlflow.db'}"


def _read(config: SweepConfig, listing: Listing, console: Console) -> Cohort:
    with scan_progress(console) as progress:
        task = progress.add_task("reading the scans", total=None)
        return read_cohort(
            listing,
            crop=config.base.image.crop,
            holds_pancreas=config.options.semi_body_holds_pancreas,
            cache=writable_cache(),
            salt=salt_beside(config.storage) if config.options.hash_cases else None,
            on_scan=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _autoencoder(
    options: SweepOptions, base: TrialConfig, is_phantom_data: bool, *, is_needed: bool
) -> Path:
    if options.autoencoder is not None:
        path = options.autoencoder.expanduser().absolute()
        if not path.is_file():
            raise InputError(
                "--autoencoder must be a file",
                seen=f"{path} is a folder" if path.is_dir() else f"{path} does not exist",
                remedy="check the path",
            )
        _check_autoencoder(base, path)
        return path
    is_demo = base.autoencoder == DEMO_AUTOENCODER
    if is_demo and (is_phantom_data or options.allow_phantom_weights):
        return PHANTOM_AUTOENCODER
    if not is_needed:
        return NOT_GIVEN
    if not is_demo:
        raise InputError(
            f"recipe {base.recipe} needs --autoencoder FILE",
            remedy="give model_autoencoder.pt of MONAI's brats_mri_generative_diffusion bundle, "
            f"which you can download with `{GET_AUTOENCODER}`",
        )
    raise weights_needed("an autoencoder", "--autoencoder FILE")


def _check_autoencoder(base: TrialConfig, path: Path) -> None:
    """Raise InputError if a file does not hold the weights of the recipe's autoencoder.

    Without this check, the error would come from a worker, after Ray has started.
    """
    import torch  # slow, and most sweeps on phantoms need it only in their workers

    from ldm.autoencoder.model import load_autoencoder

    load_autoencoder(base.autoencoder, path, torch.device("cpu"))


def _segmenter_weights(options: SweepOptions, is_phantom_data: bool, *, is_needed: bool) -> Path:
    if options.totalsegmentator_weights is None:
        if not (is_phantom_data or options.allow_phantom_weights):
            if not is_needed:
                return NOT_GIVEN
            raise weights_needed("TotalSegmentator weights", "--totalsegmentator-weights DIR")
        weights = PHANTOM_WEIGHTS
    else:
        weights = options.totalsegmentator_weights.expanduser().absolute()
    check_weights(weights, networks_for(options.crop))
    return weights


def weights_needed(what: str, option: str) -> InputError:
    """Return the error for real scans without weights that were trained on real scans.

    ``what`` names the weights in the message. ``option`` is the option that gives them.
    """
    return InputError(
        f"real scans need {what} trained on real scans",
        seen="none was given",
        remedy=f"pass {option}, or pass --allow-phantom-weights to only try the program, with "
        "weights that were trained on phantoms",
    )
