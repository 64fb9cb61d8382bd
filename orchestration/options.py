"""The options of a sweep, each declared once with its name, type, help and default.

``takes_sweep_options`` turns the fields of ``SweepOptions`` into a command line.
``resolution.resolve`` turns the options that were typed into a complete ``SweepConfig``. To add an
option, add a field here and use it where it takes effect.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_type_hints

import typer

from ldm.config import Crop
from ldm.execution import Execution
from orchestration.option_types import (
    HOW,
    STORAGE,
    WEIGHTS,
    WHAT,
    WHERE,
    AddressOption,
    DataOption,
    HashCasesOption,
    HoldsPancreasOption,
    LabelsOption,
    PhantomWeightsOption,
    SegmenterOption,
    StorageOption,
    TrackingOption,
    UntilOption,
)

Command: TypeAlias = Callable[..., None]


class RecipeName(StrEnum):
    """The recipes that a sweep can start from."""

    DEMO = "demo"
    FULL = "full"
    THESIS = "thesis"


class Space(StrEnum):
    """Which trials a sweep runs.

    ``default`` and ``extended`` are spaces that Optuna searches. ``thesis`` stands for the models
    of the study, which are not searched.
    """

    DEFAULT = "default"
    EXTENDED = "extended"
    THESIS = "thesis"


class SamplerName(StrEnum):
    """What chooses the trials of a search after the known points. See ``search/samplers.py``."""

    GP = "gp"
    TPE = "tpe"
    NSGA_II = "nsga-ii"
    RANDOM = "random"
    QUASI_RANDOM = "quasi-random"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """The options of a sweep as typed. None stands for an option that was not given.

    ``storage`` is a folder or a URL. ``until_s`` is a Unix time.
    """

    crop: Annotated[
        Crop, typer.Option(help="The part of the body to generate.", rich_help_panel=WHAT)
    ]
    semi_body_holds_pancreas: HoldsPancreasOption = False
    data: DataOption = None
    labels: LabelsOption = None
    hash_cases: HashCasesOption = False
    recipe: Annotated[
        RecipeName,
        typer.Option(
            help="Model and training. demo: small, minutes on two CPU cores. full: the size of the "
            "study, with our choices of training. thesis: the study's way, except for what "
            "--dry-run lists.",
            rich_help_panel=WHAT,
        ),
    ] = RecipeName.DEMO
    space: Annotated[
        Space,
        typer.Option(
            help="What is tried. default: Optuna searches learning rate schedule and input size. "
            "extended: also the training objective and the whitening of latents. thesis: the "
            "schedules, batch size and epochs of the study's models, without a search.",
            rich_help_panel=HOW,
        ),
    ] = Space.DEFAULT
    sampler: Annotated[
        SamplerName,
        typer.Option(
            help="What chooses trials after the known settings. gp: a Gaussian process learns from "
            "earlier trials. tpe, nsga-ii: other samplers of Optuna that learn. random, "
            "quasi-random: they do not learn.",
            rich_help_panel=HOW,
        ),
    ] = SamplerName.GP
    stops_early: Annotated[
        bool,
        typer.Option(
            "--stop-early/--no-stop-early",
            help="Stop a trial that is not learning, or whose scores at an eighth, a quarter or "
            "half of its epochs are clearly worse than those of a third of all trials there. Never "
            "with --space thesis.",
            rich_help_panel=HOW,
        ),
    ] = True
    n_trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            min=1,
            metavar="N",
            help="Number of trials in total, including finished ones. Default: 4, or all models of "
            "the study.",
            rich_help_panel=HOW,
        ),
    ] = None
    until_s: UntilOption = None
    night: Annotated[
        str | None,
        typer.Option("--nightly", metavar="NAME", help="The name of the night.", hidden=True),
    ] = None
    rescored: Annotated[
        str | None,
        typer.Option("--rescore", metavar="DIR|URL", help="Weights to score again.", hidden=True),
    ] = None
    outcome: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="Where to write how the sweep ended.", hidden=True),
    ] = None
    epochs: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="N",
            help="Epochs of each trial; the milestones of the learning rate scale with them. "
            "Default: as in the recipe.",
            rich_help_panel=HOW,
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Seed of the search, the training and the phantoms.",
            rich_help_panel=HOW,
        ),
    ] = 0
    storage: StorageOption = STORAGE
    tracking_uri: TrackingOption = None
    address: AddressOption = None
    n_workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Workers that train a trial together, each on a GPU of its own.",
            rich_help_panel=WHERE,
        ),
    ] = 1
    micro_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Scans that a worker processes at once. Lower it if GPU memory is short; results "
            "stay the same. Default: its whole share of the batch.",
            rich_help_panel=WHERE,
        ),
    ] = None
    is_compiled: Annotated[
        bool,
        typer.Option(
            "--compile", help="Compile the network with torch.compile.", rich_help_panel=WHERE
        ),
    ] = False
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of the autoencoder. Default, for recipe demo only: weights trained on "
            "phantoms, which come with this program.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None
    totalsegmentator_weights: SegmenterOption = None
    allow_phantom_weights: PhantomWeightsOption = False

    @property
    def execution(self) -> Execution:
        """Return the settings of the computation that do not change the results."""
        return Execution(micro_batch_size=self.micro_batch, is_compiled=self.is_compiled)


def takes_sweep_options(*names: str) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the options of a sweep.

    ``names`` are the fields of ``SweepOptions`` to offer. Without names, all are offered. The
    others keep their defaults. The first parameter of the command takes the ``SweepOptions``. Typer
    makes an option of each parameter of a function, so the decorated function has one parameter per
    field, then the command's other parameters. Raises ValueError for an unknown name.
    """
    declared_fields = {field.name: field for field in fields(SweepOptions)}
    if unknown := sorted(set(names) - set(declared_fields)):
        raise ValueError(f"options are named after fields of SweepOptions, got {unknown}")
    chosen = [field for name, field in declared_fields.items() if not names or name in names]
    hints = get_type_hints(SweepOptions, include_extras=True)

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def typed(**given: Any) -> None:
            options = SweepOptions(**{field.name: given.pop(field.name) for field in chosen})
            command(options, **given)

        after_options = list(inspect.signature(command).parameters.values())[1:]
        own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in after_options]
        declared = [_parameter(field, hints[field.name]) for field in chosen]
        typed.__dict__["__signature__"] = inspect.Signature([*declared, *own])
        typed.__annotations__ = {one.name: one.annotation for one in (*declared, *own)}
        return typed

    return decorate


def _parameter(field: "Field[Any]", hint: Any) -> inspect.Parameter:
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.default is MISSING else field.default,
        annotation=hint,
    )
