"""The result of the search for copies, as it is stored and shown.

This module imports the standard library only, so that every report can read a result quickly.
"""

from dataclasses import dataclass

NOT_SEARCHED = (
    "Copies that are rotated, scaled by more than a tenth, or that show only a part of a scan are "
    "not searched"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """A volume and its nearest training scan.

    Attributes
    ----------
    name
        Name of the volume.
    training
        Name of its nearest training scan.
    distance_hu
        Distance between the two after alignment, the root mean square difference in HU.
    """

    name: str
    training: str
    distance_hu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """How many real scans would be called copies of a training scan, although they are none.

    These are the held-out scans, and training scans that are compared with all others. ``low`` and
    ``high`` are the 95 % interval of the share ``n_alarms / n_scans``.
    """

    n_scans: int
    n_alarms: int
    low: float
    high: float

    def sentence(self) -> str:
        """Return one sentence for reports."""
        verb = "is" if self.n_alarms == 1 else "are"
        return (
            f"Of {self.n_scans} real scans that are no copies, {self.n_alarms} {verb} taken for "
            f"one: {self.n_alarms / self.n_scans:.0%} (95 % interval {self.low:.0%} to "
            f"{self.high:.0%})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFinding:
    """The copies among the samples of a run.

    Attributes
    ----------
    is_copying
        True if there are so many copies that the run is excluded.
    copies
        The samples that are copies, each with the training scan that it copies.
    n_samples
        Number of samples that were checked.
    threshold_hu
        The distance up to which a sample counts as a copy.
    false_alarm
        The probability of at least this many copies if the samples were real scans. None if there
        is no copy; 1 in files of earlier versions.
    false_alarms
        How many real scans would be called copies. None if there are too few to tell, and in files
        of earlier versions.
    """

    is_copying: bool
    copies: tuple[Nearest, ...]
    n_samples: int
    threshold_hu: float
    false_alarm: float | None
    false_alarms: FalseAlarms | None = None

    def warning(self) -> str:
        """Return one line that names every copied pair, or an empty string if there is no copy."""
        if not self.copies:
            return ""
        pairs = ", ".join(
            f"{one.name} matches {one.training} ({one.distance_hu:.0f} HU)" for one in self.copies
        )
        verb = "copies training scans" if self.is_copying else "may copy training scans"
        return (
            f"{verb}: {len(self.copies)} of {_samples(self.n_samples)} "
            f"{'is' if len(self.copies) == 1 else 'are'} within "
            f"{self.threshold_hu:.0f} HU of one: {pairs}"
        )

    def sentences(self) -> list[str]:
        """Return what was found, and how often real scans are taken for copies."""
        found = self.warning()
        first = (
            f"The model {found}"
            if found
            else f"None of {_samples(self.n_samples)} is recognized as a copy"
        )
        return [first, NOT_SEARCHED, *([self.false_alarms.sentence()] if self.false_alarms else [])]


def _samples(n: int) -> str:
    return "1 sample" if n == 1 else f"{n} samples"
