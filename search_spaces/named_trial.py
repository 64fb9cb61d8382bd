"""A trial as it leaves the search: what it is called and its complete configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ldm.config import TrialConfig

KEY = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTrial:
    """A configuration and the name of the known setting that it is, or ``search``.

    A searcher makes it once; Ray Tune carries it, as the one value of a trial's ``config``, to the
    worker that trains and to the callbacks of the driver.
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
    """The trial in what Ray Tune was suggested: the inverse of ``NamedTrial.values``."""
    trial: NamedTrial = values[KEY]
    return trial
