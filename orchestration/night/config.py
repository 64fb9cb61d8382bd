"""Read ``nightly.yaml``, which says what a night runs, and report all its mistakes at once."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, cast

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    with_config,
)

from ldm.config import Crop
from ldm.errors import InputError
from orchestration.options import RecipeName, SamplerName, Space
from orchestration.storage.mirror import folder_of
from orchestration.storage.object_store import is_url, object_store

AS_MANY_AS_FIT = "fit"
CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
RANKS = ("unexpected_keyword_argument", "missing")  # pydantic's names of errors to report first


def _must_be(words: str) -> WrapValidator:
    """Return a validator that replaces any error of pydantic by the rule "must be ``words``"."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise ValueError(f"must be {words}") from error

    return WrapValidator(check)


def _one_of(kind: type[Enum]) -> WrapValidator:
    return _must_be(f"one of {', '.join(str(member.value) for member in kind)}")


def _list_of_crops(value: Any) -> Any:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of crops, such as [pancreas]")
    return value


def _each_once(crops: tuple[Crop, ...]) -> tuple[Crop, ...]:
    if len(set(crops)) < len(crops):
        raise ValueError("must name each crop once")
    return crops


def _clock_time(value: Any) -> time:
    if not isinstance(value, str) or not CLOCK_TIME.fullmatch(value):
        raise ValueError('must be a time of day in quotes, such as "06:00"')
    return time.fromisoformat(value)


def _absolute(path: Path, info: ValidationInfo) -> Path:
    """Make a path of ``nightly.yaml`` absolute, and expand ``~``.

    A relative path starts at the folder of ``nightly.yaml``. The caller of pydantic passes this
    folder as the validation context.
    """
    return cast("Path", info.context) / path.expanduser()


def _folder_or_url(text: str, info: ValidationInfo) -> str:
    if not is_url(text):
        return str(_absolute(Path(text), info))
    try:
        return object_store(text).url
    except InputError as error:
        raise ValueError(str(error)) from error


def _number_or_fit(value: Any) -> Any:
    return None if value == AS_MANY_AS_FIT else value


Text = Annotated[str, Field(strict=True, min_length=1), _must_be("text")]
YesOrNo = Annotated[bool, Field(strict=True), _must_be("true or false")]
FromZero = Annotated[int, Field(strict=True, ge=0), _must_be("a whole number of 0 or more")]
FromOne = Annotated[int, Field(strict=True, ge=1), _must_be("a whole number of 1 or more")]
FromTwo = Annotated[int, Field(strict=True, ge=2), _must_be("a whole number of 2 or more")]
NumberOrFit = Annotated[
    Annotated[int, Field(strict=True, ge=1)] | None,
    _must_be("a whole number of 1 or more or `fit`"),
    BeforeValidator(_number_or_fit),
]
RelativePath = Annotated[
    Path, AfterValidator(_absolute), BeforeValidator(TypeAdapter(Text).validate_python)
]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyConfig:
    """What a night runs. Its fields are those of ``nightly.yaml``, with absolute paths.

    Attributes
    ----------
    crops
        The crops to run, one study each.
    until
        The time of day at which the night ends.
    storage
        A folder, or a URL.
    recipe, space, sampler, stop_early, epochs, seed, workers
        As the options of a sweep.
    trials
        Number of trials that a night adds to each study, or None for as many as fit.
    gpus
        Number of GPUs that must be available, or None for any number.
    data, labels, autoencoder, totalsegmentator_weights
        As the options of a sweep.
    allow_phantom_weights, hash_cases
        As the options of a sweep.
    semi_body_holds_pancreas
        As the option of a sweep, for the crop ``semi-body`` alone.
    tracking_uri
        The MLflow server, or None for a database file in the storage.
    cluster
        A cluster file for ``ray up``, or None.
    address
        Address of a running Ray cluster, or None. Without ``cluster`` and ``address``, trials run
        on this machine.
    keep
        Number of nights whose reports are kept.
    """

    crops: Annotated[
        tuple[Annotated[Crop, _one_of(Crop)], ...],
        BeforeValidator(_list_of_crops),
        AfterValidator(_each_once),
    ]
    until: Annotated[time, BeforeValidator(_clock_time)]
    storage: Annotated[Text, AfterValidator(_folder_or_url)]
    recipe: Annotated[RecipeName, _one_of(RecipeName)] = RecipeName.DEMO
    space: Annotated[Space, _one_of(Space)] = Space.DEFAULT
    sampler: Annotated[SamplerName, _one_of(SamplerName)] = SamplerName.GP
    stop_early: YesOrNo = True
    trials: NumberOrFit = None
    epochs: FromTwo | None = None
    seed: FromZero = 0
    gpus: FromZero | None = None
    workers: FromOne = 1
    data: RelativePath | None = None
    labels: Text | None = None
    autoencoder: RelativePath | None = None
    totalsegmentator_weights: RelativePath | None = None
    allow_phantom_weights: YesOrNo = False
    hash_cases: YesOrNo = False
    semi_body_holds_pancreas: YesOrNo = False
    tracking_uri: Text | None = None
    cluster: RelativePath | None = None
    address: Text | None = None
    keep: FromOne = 30

    def study(self, crop: Crop) -> str:
        """Return the name of a crop's study, which is also that of its folder in the storage."""
        return f"{crop}-{self.recipe}-{self.space}"

    @property
    def folder(self) -> Path:
        """Return the folder in which this machine keeps the storage."""
        return folder_of(self.storage)

    def ends_after(self, begun: datetime) -> datetime:
        """Return the first time after ``begun`` at which the local time of day is ``until``.

        A night is an hour shorter or longer if the clocks change.
        """
        today = begun.astimezone().date()
        days = (datetime.combine(today + timedelta(days=n), self.until) for n in range(2))
        return next(end for end in map(datetime.astimezone, days) if end > begun)


def read_nightly_config(path: Path) -> NightlyConfig:
    """Read ``nightly.yaml``.

    Raises InputError if the file cannot be read or has mistakes. The details of the error name all
    mistakes, one line each.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(
            f"{path} must be a YAML file with the fields of a night",
            seen=f"reading it failed ({error})",
        ) from error
    if not isinstance(document, dict):
        raise InputError(f"{path} must have fields such as `crops: [pancreas]`", seen="it has none")
    # A field without a value is a mistake. None would look like a field that was left out.
    given = {str(name): "" if value is None else value for name, value in document.items()}
    try:
        config = TypeAdapter(NightlyConfig).validate_python(given, context=path.absolute().parent)
    except ValidationError as error:
        raise _no_night(path, _findings(error, document)) from error
    if config.cluster and config.address:
        finding = (
            "cluster and address: give only one, a cluster file or the address of a running cluster"
        )
        raise _no_night(path, [finding])
    return config


def _no_night(path: Path, findings: Iterable[str]) -> InputError:
    return InputError(f"{path} is not a valid night", details=tuple(findings))


def _findings(error: ValidationError, document: Mapping[Any, Any]) -> Iterator[str]:
    """Yield a line per mistake: unknown fields first, then missing fields, then wrong values."""
    known = ", ".join(field.name for field in fields(NightlyConfig))
    written = {str(name): value for name, value in document.items()}
    found = {(one["type"], one["loc"][0]): one for one in error.errors(include_url=False)}
    for kind, name in sorted(found, key=lambda key: RANKS.index(key[0]) if key[0] in RANKS else 2):
        if kind == "unexpected_keyword_argument":
            yield f"{name}: unknown field, the known ones are {known}"
        elif kind == "missing":
            yield f"{name}: this field is required"
        else:
            rule = found[kind, name]["ctx"]["error"]
            yield f"{name}: {rule}, got {written[str(name)]!r:.60}"
