"""What was found of copies, for every surface that shows a run; standard library only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """A volume and the training scan nearest to it, for a person to look at."""

    name: str
    training: str
    distance_hu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFinding:
    """What is kept of a look for copies: which samples are, and whether the run is left out."""

    is_copying: bool
    copies: tuple[Nearest, ...]
    n_samples: int
    threshold_hu: float
    false_alarm: float

    def warning(self) -> str:
        """One line that names the pairs, for every surface; empty where there is no copy."""
        if not self.copies:
            return ""
        pairs = ", ".join(
            f"{one.name} is {one.training} ({one.distance_hu:.0f} HU)" for one in self.copies
        )
        verb = "copies training scans" if self.is_copying else "may copy training scans"
        return (
            f"{verb}: {len(self.copies)} of {self.n_samples} samples lie nearer to one than "
            f"{self.threshold_hu:.0f} HU: {pairs}"
        )
