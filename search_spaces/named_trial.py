"""A trial as it leaves the search: what it is called and its complete configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ldm.config import TrialConfig
from ldm.errors import InputError

KEY = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTrial:
    """A configuration and the name of the known setting that it is, or ``search``.

    A searcher makes it once; Ray Tune carries it to the worker that trains and to the callbacks of
    the driver, and keeps it for a session that is resumed. It is carried as it is: JSON would turn
    the 80 of a recipe into 80.0, and so change what is told to MLflow.
    """

    name: str
    config: TrialConfig

    def __str__(self) -> str:
        """The name alone: Ray Tune puts it into the names of its folders."""
        return self.name

    def values(self) -> dict[str, Any]:
        """What a searcher suggests to Ray Tune."""
        return {KEY: self}


def named_trial(values: Mapping[str, Any]) -> NamedTrial:
    """The trial in what Ray Tune was suggested: the inverse of ``NamedTrial.values``.

    Raises InputError for what an earlier version suggested, in a session that was interrupted.
    """
    if KEY not in values:
        raise InputError(
            "a session of Ray Tune is resumed by the version of pancreatune that began it",
            seen=f"got {sorted(values)}",
            remedy="remove the newest folder below tune/ of the study, then run the same command",
        )
    trial: NamedTrial = values[KEY]
    return trial
