"""Print what a sweep would do, without doing it."""

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from ldm.config import Crop, InputSize
from ldm.data.cohort.cohort import Cohort, Split
from ldm.data.latents.cubes import describe_cubes
from ldm.data.latents.store import read_manifest
from ldm.files.dataclass_json import flat
from ldm.recipes import THESIS
from ldm.study_differences import STUDY_DIFFERENCES
from orchestration.cluster import local_resources, plan_slots
from orchestration.masked import masked
from orchestration.options import Space
from orchestration.preflight.findings import Finding, autoencoder_weights, segmenters
from orchestration.ray_host import check_host, notes
from orchestration.resolution import NOT_GIVEN
from orchestration.search.rungs import rung_epochs
from orchestration.settings import SweepConfig
from orchestration.study.stores import MANIFEST, stores_of
from search_spaces.study import study_models
from search_spaces.study_trials import configure_study_model, trial_name


def print_plan(config: SweepConfig, cohort: Cohort, console: Console) -> None:
    """Print the resolved configuration, the search space, the cohort and the resources.

    For space ``thesis``, the models of the study take the place of the search space. Weights that
    were not given are listed with how to get them. Raises InputError if Ray could not start here.
    """
    if config.options.address is None:
        check_host()
    _print_mapping(console, "configuration", flat(config.base))
    if config.base.recipe == THESIS:
        _print_mapping(
            console,
            "differs from the study (docs/study.md)",
            {one.part: f"{one.here}; {one.reason}" for one in STUDY_DIFFERENCES},
        )
    where = {
        "cohort": str(config.cohort),
        "storage": str(config.folder),
        "tracking": masked(config.tracking_uri),
        "autoencoder": str(config.autoencoder),
        "TotalSegmentator weights": str(config.segmenter_weights),
    }
    _print_mapping(console, "files", where)
    if config.options.space is not Space.THESIS:
        _print_mapping(console, "search space", config.search_space.describe())
        _print_mapping(
            console, "settings tried first", config.search_space.known_points(config.base)
        )
        _print_mapping(console, "search", _search(config))
    else:
        models = study_models(config.base.image.crop)[: config.n_trials]
        settings = {
            trial_name(config.base, model): (
                configure_study_model(config.base, model).training,
                model.input_size,
            )
            for model in models
        }
        _print_mapping(
            console,
            "models of the study",
            {
                name: f"{t.epochs} epochs, learning rate {t.schedule.learning_rate:g}, "
                f"milestones {t.schedule.milestones_epochs}, gamma {t.schedule.gamma:g}, "
                f"input size {size}"
                for name, (t, size) in settings.items()
            },
        )
    counts = {str(split): len(cohort.of(split)) for split in Split}
    counts["left out"] = len(cohort.exclusions)  # each with its reason was printed when read
    _print_mapping(console, f"cohort {cohort.name}", counts)
    cubes = _cubes(config, cohort)
    if cubes:
        console.print(cubes, markup=False, soft_wrap=True)
    if config.options.address is None:
        slots = plan_slots(*local_resources(), config.options.n_workers)
        console.print(f"{config.n_trials} trials in total, {slots.describe()}", soft_wrap=True)
    else:
        console.print(
            f"{config.n_trials} trials in total, on the cluster {masked(config.options.address)}"
        )
    for line in (*_missing_weights(config), *(f"note: {note}" for note in notes())):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _search(config: SweepConfig) -> dict[str, str]:
    """Return what chooses the settings after the known ones, and when trials may be stopped."""
    epochs = ", ".join(map(str, rung_epochs(config.base.training)))
    compared = f"at epochs {epochs}" if epochs else "never: only the last epoch is evaluated"
    return {
        "sampler": str(config.options.sampler),
        "stopped early if not learning": "yes" if config.stops_early else "no",
        "stopped early if clearly worse": compared if config.stops_early else "never",
    }


def _missing_weights(config: SweepConfig) -> Iterator[str]:
    """Yield a line for each file of weights that the sweep needs and that was not given."""
    crop, recipe = config.base.image.crop, config.options.recipe
    findings: list[Finding] = []
    if config.autoencoder == NOT_GIVEN:
        findings += [autoencoder_weights(recipe, None, allow_phantom_weights=False)]
    if config.segmenter_weights == NOT_GIVEN:
        findings += segmenters(crop, None, allow_phantom_weights=False)
    for one in findings:
        yield f"weights needed: {one.name}: {one.remedy}"


def _cubes(config: SweepConfig, cohort: Cohort) -> str | None:
    """Return how many semi-body cubes hold the pancreas, if they were prepared, or how to know."""
    masked = [scan for scan in cohort.scans if scan.findings.mask_box is not None]
    if config.base.image.crop is not Crop.SEMI_BODY or not masked:
        return None
    if config.autoencoder != NOT_GIVEN:  # stores are named after it
        stores = stores_of(config, cohort, tuple(InputSize))
        made = [folder for folder in stores.values() if config.sharing.fetch(folder / MANIFEST)]
        if made:
            return describe_cubes(read_manifest(made[0]).scans)
    return (
        f"{len(masked)} scans have a mask: `pancreatune prepare` tells how many of their semi-body"
        " cubes hold the pancreas"
    )


def _print_mapping(console: Console, title: str, values: Mapping[str, object]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    for key, value in values.items():
        table.add_row(key, str(value))
    console.print(table)
    console.print()
