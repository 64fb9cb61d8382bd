"""What a night runs, from ``nightly.yaml``: every field checked, all that is wrong said at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ldm.config import Crop
from ldm.errors import InputError
from orchestration.options import RecipeName, Space
from orchestration.storage.mirror import folder_of
from orchestration.storage.object_store import is_url, object_store

Choice = TypeVar("Choice", bound=Enum)
AS_MANY_AS_FIT = "fit"
CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyConfig:
    """One night's work; ``trials`` are what a night adds to each crop, None as many as fit.

    Paths are absolute; ``storage`` is a folder or a URL. Without ``cluster`` (a file for ``ray
    up``) and ``address`` (a running Ray) trials run on this machine. ``gpus`` have to be there;
    reports of ``keep`` nights are kept.
    """

    crops: tuple[Crop, ...]
    until: time
    storage: str
    recipe: RecipeName = RecipeName.DEMO
    space: Space = Space.DEFAULT
    trials: int | None = None
    epochs: int | None = None
    seed: int = 0
    gpus: int | None = None
    workers: int = 1
    data: Path | None = None
    autoencoder: Path | None = None
    totalsegmentator_weights: Path | None = None
    allow_phantom_weights: bool = False
    hash_cases: bool = False
    tracking_uri: str | None = None
    cluster: Path | None = None
    address: str | None = None
    keep: int = 30

    def study(self, crop: Crop) -> str:
        """The name of a crop's study, and of its folder in the storage."""
        return f"{crop}-{self.recipe}-{self.space}"

    @property
    def folder(self) -> Path:
        """Where this machine keeps the storage."""
        return folder_of(self.storage)

    def ends_after(self, begun: datetime) -> datetime:
        """The first time after ``begun`` that the clock on the wall shows ``until``.

        Local, with the offset of that day: a night may be an hour shorter or longer.
        """
        today = begun.astimezone().date()
        days = (datetime.combine(today + timedelta(days=n), self.until) for n in range(2))
        return next(end for end in map(datetime.astimezone, days) if end > begun)


def read_nightly_config(path: Path) -> NightlyConfig:
    """Raises InputError with everything that is wrong with the file, a line each."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path} must be a YAML file of a night's fields: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} must hold fields such as `crops: [pancreas]`, it holds none")
    values, wrong = _checked(document, path.absolute().parent)
    if not wrong and values.get("cluster") and values.get("address"):
        wrong = ["cluster and address: give one, a file to start from or what already runs"]
    if wrong:
        raise InputError("\n  ".join([f"{path} describes no night:", *wrong]))
    return NightlyConfig(**values)


def _checked(document: Mapping[Any, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Each field as its type, paths from ``folder``; and what is wrong, in words."""
    checks = _checks(folder)
    values: dict[str, Any] = {}
    known = ", ".join(checks)
    wrong = [f"{key}: no such field, there are {known}" for key in document if key not in checks]
    needed = [f.name for f in fields(NightlyConfig) if f.default is MISSING]
    wrong += [f"{name}: missing, a night needs it" for name in needed if name not in document]
    for name, check in checks.items():
        if name in document:
            try:
                values[name] = check(document[name])
            except ValueError as error:
                wrong.append(f"{name}: {error}, got {document[name]!r:.60}")
    return values, wrong


def _checks(folder: Path) -> dict[str, Callable[[Any], Any]]:
    def path(value: Any) -> Path:
        return folder / Path(_text(value)).expanduser()

    def storage(value: Any) -> str:
        if not is_url(_text(value)):
            return str(path(value))
        try:
            return object_store(value).url
        except InputError as error:
            raise ValueError(str(error)) from error

    return {
        "crops": _crops,
        "until": _clock_time,
        "storage": storage,
        "recipe": lambda value: _choice(RecipeName, value),
        "space": lambda value: _choice(Space, value),
        "trials": lambda value: None if value == AS_MANY_AS_FIT else _whole(value, 1, " or `fit`"),
        "epochs": lambda value: _whole(value, 2),
        "seed": lambda value: _whole(value, 0),
        "gpus": lambda value: _whole(value, 0),
        "workers": lambda value: _whole(value, 1),
        "data": path,
        "autoencoder": path,
        "totalsegmentator_weights": path,
        "allow_phantom_weights": _yes_or_no,
        "hash_cases": _yes_or_no,
        "tracking_uri": _text,
        "cluster": path,
        "address": _text,
        "keep": lambda value: _whole(value, 1),
    }


def _crops(value: Any) -> tuple[Crop, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of crops, such as [pancreas]")
    crops = tuple(_choice(Crop, one) for one in value)
    if len(set(crops)) < len(crops):
        raise ValueError("must name each crop once")
    return crops


def _choice(kind: type[Choice], value: Any) -> Choice:
    try:
        return kind(value)
    except ValueError as error:
        raise ValueError(f"must be one of {', '.join(str(m.value) for m in kind)}") from error


def _clock_time(value: Any) -> time:
    if not isinstance(value, str) or not CLOCK_TIME.fullmatch(value):
        raise ValueError('must be a time of day in quotes, such as "06:00"')
    return time.fromisoformat(value)


def _whole(value: Any, least: int, also: str = "") -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"must be a whole number of {least} or more{also}")
    return value


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value
