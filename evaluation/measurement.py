"""A score together with the scores of real scans and of nonsense, which give it a meaning."""

from dataclasses import dataclass
from enum import StrEnum

from evaluation.score import Score


class Better(StrEnum):
    """The direction in which a score improves."""

    LOWER = "lower"
    HIGHER = "higher"
    NEARER = "nearer"  # best if equal to that of real scans; smaller and larger are both worse


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One score of a set of samples, with its reference values.

    Attributes
    ----------
    name
        Name of the score.
    unit
        Its unit.
    better
        The direction in which it improves.
    score
        The score of the samples.
    real
        The same score of real scans. For a distance it compares real scans with other real scans
        (the null). For an agreement, real scans are processed like the samples (the ceiling).
    nonsense
        The same score of smooth noise (the floor), or None for a score without a floor.
    """

    name: str
    unit: str
    better: Better
    score: Score
    real: Score
    nonsense: Score | None

    @property
    def has_interval(self) -> bool:
        """True if there are enough samples and enough real scans for an interval.

        Otherwise the score can be shown, but nothing follows from comparing it.
        """
        return self.score.has_interval and self.real.has_interval

    @property
    def can_tell(self) -> bool:
        """True if real scans score better than nonsense and their intervals do not overlap.

        Otherwise the score says nothing about the samples and cannot be an objective. A score
        without a floor counts as True.
        """
        real, nonsense = self.real, self.nonsense
        if nonsense is None:
            return True
        is_above, is_below = real.low > nonsense.high, real.high < nonsense.low
        if self.better is Better.NEARER:
            return is_above or is_below
        return is_below if self.better is Better.LOWER else is_above

    @property
    def normalized(self) -> float | None:
        """(score - nonsense) / (real - nonsense): 1 is as good as real scans, 0 as bad as nonsense.

        Use this value to compare crops or input sizes. It is None if ``can_tell`` or
        ``has_interval`` is False, if there is no floor, and for a score that is best near that of
        real scans.
        """
        if self.nonsense is None or self.better is Better.NEARER:
            return None
        if not (self.can_tell and self.has_interval):
            return None
        return (self.score.value - self.nonsense.value) / (self.real.value - self.nonsense.value)

    def flat(self) -> dict[str, float]:
        """Return all numbers for tables and tracking.

        The keys are the name of the score with the suffixes "", "_low", "_high", "_n", "_real" and,
        where they exist, "_nonsense" and "_normalized".
        """
        score = self.score
        values = {
            "": score.value,
            "_low": score.low,
            "_high": score.high,
            "_n": float(score.n),
            "_real": self.real.value,
        }
        if self.nonsense is not None:
            values["_nonsense"] = self.nonsense.value
        if self.normalized is not None:
            values["_normalized"] = self.normalized
        return {self.name + suffix: value for suffix, value in values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """The scores of one set of samples, in the order in which people read them."""

    measurements: tuple[Measurement, ...]

    def __getitem__(self, name: str) -> Measurement:
        """Return the score of that name. Raises KeyError if it was not measured."""
        for one in self.measurements:
            if one.name == name:
                return one
        raise KeyError(name)
