"""Measure how one score responds to one kind of damage."""

from dataclasses import dataclass

from evaluation.damage.kinds import Damage
from evaluation.measurement import Better, Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One score, measured on undamaged phantoms and at each dose of one kind of damage.

    ``doses`` are in the order of ``evaluation.damage.kinds.DOSES``, from the smallest dose.
    """

    damage: Damage
    undamaged: Measurement
    doses: tuple[Measurement, ...]


def badness(one: Measurement) -> float:
    """Return the score with its sign or reference changed so that a larger value is worse.

    For a score that is best near that of real scans, this is the distance to theirs.
    """
    if one.better is Better.NEARER:
        return abs(one.score.value - one.real.value)
    return one.score.value if one.better is Better.LOWER else -one.score.value


def badness_limit(one: Measurement) -> float:
    """Return the worst ``badness`` that lies within the interval of real scans."""
    if one.better is Better.NEARER:
        return max(one.real.high - one.real.value, one.real.value - one.real.low)
    return one.real.high if one.better is Better.LOWER else -one.real.low
