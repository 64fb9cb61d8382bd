"""A trial as it leaves the search: what it is called and its complete configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ldm.config import TrialConfig
from ldm.errors import InputError

KEY = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTrial:
    """A trial's complete configuration and its name.

    The name is that of a known setting, or ``search`` for a setting that the searcher chose. A
    searcher creates the object. Ray Tune carries it to the worker that trains and to the callbacks
    of the driver, and stores it for a resumed session. It is not converted to JSON on the way,
    because that would turn the 80 of a recipe into 80.0 and so change what MLflow shows.
    """

    name: str
    config: TrialConfig

    def __str__(self) -> str:
        """Return the name only, because Ray Tune uses this text in the names of its folders."""
        return self.name

    def values(self) -> dict[str, Any]:
        """Return this trial as the values that a searcher suggests to Ray Tune."""
        return {KEY: self}


def named_trial(values: Mapping[str, Any]) -> NamedTrial:
    """Return the trial in the values that a searcher suggested, as ``NamedTrial.values`` made them.

    Raises InputError if the values contain no trial. This happens if a session that an earlier
    version of this program began is resumed.
    """
    if KEY not in values:
        raise earlier_session(f"got {sorted(values)}")
    trial: NamedTrial = values[KEY]
    return trial


def earlier_session(seen: str) -> InputError:
    """Return the error for a session of Ray Tune that an earlier version of this program began.

    ``seen`` says how it differs.
    """
    return InputError(
        "a session of Ray Tune is resumed by the version of pancreatune that began it",
        seen=seen,
        remedy="remove the newest folder below tune/ of the study, then run the same command",
    )
