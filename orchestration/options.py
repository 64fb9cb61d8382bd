"""The options of a sweep, each declared once: name, type, help and default.

``takes_sweep_options`` makes a command line of them; ``resolution.resolve`` turns what was typed
into a complete ``SweepConfig``, which keeps the options. A new option is a field here and a line
where it acts.
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
    """``default`` and ``extended`` are searched; ``thesis`` runs the study's models of the crop."""

    DEFAULT = "default"
    EXTENDED = "extended"
    THESIS = "thesis"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """What the command line was given; None where nothing was said.

    ``storage`` is a folder or a URL. ``until_s`` is a Unix time.
    """

    crop: Annotated[Crop, typer.Option(help="Where scans are cut.", rich_help_panel=WHAT)]
    data: DataOption = None
    hash_cases: HashCasesOption = False
    recipe: Annotated[
        RecipeName,
        typer.Option(
            help="demo: small, for two CPU cores. full: the study's size with our choices. "
            "thesis: the study's way.",
            rich_help_panel=WHAT,
        ),
    ] = RecipeName.DEMO
    space: Annotated[
        Space,
        typer.Option(
            help="default: Optuna searches. extended: objective and whitening too. thesis: "
            "exactly the study's models of this crop.",
            rich_help_panel=HOW,
        ),
    ] = Space.DEFAULT
    n_trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            min=1,
            metavar="N",
            help="Trials in all, finished ones included. Default: 4, or all of the study's models.",
            rich_help_panel=HOW,
        ),
    ] = None
    until_s: UntilOption = None
    night: Annotated[
        str | None, typer.Option("--nightly", metavar="NAME", help="The night's name.", hidden=True)
    ] = None
    rescored: Annotated[
        str | None,
        typer.Option(
            "--rescore", metavar="DIR|URL", help="Weights to score once more.", hidden=True
        ),
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
            help="Epochs of a trial; milestones keep their place. Default: the recipe's.",
            rich_help_panel=HOW,
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="Of search, training and phantoms.", rich_help_panel=HOW),
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
            help="Workers that share each batch of a trial, a GPU each.",
            rich_help_panel=WHERE,
        ),
    ] = 1
    micro_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Scans that a worker computes at once, for a small card. Default: its whole "
            "share.",
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
            help="The autoencoder's weights. Default: ours, trained on phantoms, recipe demo only.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None
    totalsegmentator_weights: SegmenterOption = None
    allow_phantom_weights: PhantomWeightsOption = False

    @property
    def execution(self) -> Execution:
        """How a trial is computed; it changes no result."""
        return Execution(micro_batch_size=self.micro_batch, is_compiled=self.is_compiled)


def takes_sweep_options(*names: str) -> Callable[[Command], Command]:
    """Give a command the options of a sweep: those of the fields named, or all.

    Typer makes options of a function's parameters. The decorated function has one parameter for
    each field, then those that the command itself has besides its ``SweepOptions``. Raises
    ValueError for a name that is no field's.
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
