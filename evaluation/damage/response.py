"""How one score responds to one kind of damage."""

import itertools
from dataclasses import dataclass

from evaluation.damage.kinds import Damage
from evaluation.measurement import Better, Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One score of undamaged phantoms, and of each dose of one kind of damage."""

    damage: Damage
    undamaged: Measurement
    doses: tuple[Measurement, ...]

    @property
    def is_monotone(self) -> bool:
        """Whether each dose is as bad as the one before or worse."""
        steps = [badness(one) for one in (self.undamaged, *self.doses)]
        return all(later >= earlier for earlier, later in itertools.pairwise(steps))

    @property
    def is_seen(self) -> bool:
        """Whether the largest dose is worse than 95 of 100 sets of real scans."""
        return badness(self.doses[-1]) > badness_limit(self.undamaged)


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
