"""What a score means: the score between what real scans and what nonsense get by the same path."""

from dataclasses import dataclass
from enum import StrEnum

from evaluation.score import Score


class Better(StrEnum):
    """Which way a score improves."""

    LOWER = "lower"
    HIGHER = "higher"
    NEARER = "nearer"  # to what real scans score: less is worse, and so is more


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One score of a set of samples.

    ``real`` is the score of real scans: real against real for a distance (the null), real scans by
    the same path for an agreement (the ceiling). ``nonsense`` is that of smooth noise (the floor).
    """

    name: str
    unit: str
    better: Better
    score: Score
    real: Score
    nonsense: Score | None

    @property
    def can_tell(self) -> bool:
        """Whether real scans score better than nonsense, interval apart from interval.

        Where they do not, the value says nothing and is no objective.
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
        """(score - nonsense) / (real - nonsense): 1 as good as real, 0 as bad as nonsense.

        What is compared across crops. None where real scans cannot be told from nonsense, and for
        a score that is best near that of real scans.
        """
        if self.nonsense is None or self.better is Better.NEARER or not self.can_tell:
            return None
        return (self.score.value - self.nonsense.value) / (self.real.value - self.nonsense.value)

    def flat(self) -> dict[str, float]:
        """Numbers for tables and tracking, by the score's name."""
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
        """The score of that name; raises KeyError where it was not measured."""
        for one in self.measurements:
            if one.name == name:
                return one
        raise KeyError(name)
