"""How one score responds to one kind of damage."""

from dataclasses import dataclass

from evaluation.damage.kinds import Damage
from evaluation.measurement import Better, Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One score of undamaged phantoms, and of each dose of one kind of damage."""

    damage: Damage
    undamaged: Measurement
    doses: tuple[Measurement, ...]


def badness(one: Measurement) -> float:
    """The score turned so that more is worse."""
    if one.better is Better.NEARER:
        return abs(one.score.value - one.real.value)
    return one.score.value if one.better is Better.LOWER else -one.score.value


def badness_limit(one: Measurement) -> float:
    """The end of the interval of real scans, turned as ``badness``."""
    if one.better is Better.NEARER:
        return max(one.real.high - one.real.value, one.real.value - one.real.low)
    return one.real.high if one.better is Better.LOWER else -one.real.low
