"""Name scans that may show no abdomen: chests, heads, and scans of another size than the others.

Nothing is left out for it. Someone who knows the scans has to look at those that are named.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ldm.data.cohort.cohort import Scan
from ldm.data.cohort.inspection import Findings

N_TO_COMPARE = 4  # fewer scans say little of what is usual
MOST_MADS = (
    5.0  # median absolute deviations, scaled to standard deviations of a normal distribution
)
MAD_TO_SIGMA = 1.4826
LEAST_MM = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """A number of a scan that an abdomen has within limits.

    Attributes
    ----------
    name
        What it is, for notes.
    of
        Returns it. None if it was not measured.
    low, high
        Limits for an abdomen. ``benchmarks/abdomen_check.py`` measures how far sound scans keep
        from them.
    most_apart
        How far a scan may at least be from the median of its cohort: a factor, or for shares a
        difference.
    is_share
        Whether it is a share, from 0 to 1. Otherwise it is in mm.
    hint
        What a value beyond the limits may mean.
    """

    name: str
    of: Callable[[Findings], float | None]
    low: float
    high: float
    most_apart: float
    is_share: bool = False
    hint: str = ""

    def shown(self, value: float) -> str:
        """Return a value for a message."""
        return f"{value:.0%}" if self.is_share else f"{value:.3g} mm"

    @property
    def usual(self) -> str:
        """The limits for a message."""
        if not self.low:
            return f"up to {self.shown(self.high)}"
        return f"{self.low:g} to {self.shown(self.high)}"


def _length_mm(axis: int) -> Callable[[Findings], float]:
    return lambda found: found.shape_voxels[axis] * found.spacing_mm[axis]


def _spacing_mm(axis: int) -> Callable[[Findings], float]:
    return lambda found: found.spacing_mm[axis]


TRAITS = (
    Trait(
        name="share of lung",
        of=lambda found: None if found.region is None else found.region.lung_share,
        low=0.0,
        high=0.15,
        most_apart=0.1,
        is_share=True,
        hint="a chest?",
    ),
    Trait(
        name="body width",
        of=lambda found: None if found.region is None else found.region.width_mm,
        low=200,
        high=600,
        most_apart=1.7,
    ),
    Trait(name="field of view", of=_length_mm(0), low=200, high=820, most_apart=2),
    Trait(name="length", of=_length_mm(2), low=100, high=800, most_apart=4),
    Trait(name="voxel size", of=_spacing_mm(0), low=0.3, high=4, most_apart=3),
    Trait(name="slice spacing", of=_spacing_mm(2), low=0.3, high=8, most_apart=4),
)


def notes_on_regions(scans: Sequence[Scan]) -> Iterator[str]:
    """Yield a note for each scan that is unlikely to show an abdomen as the others do.

    A number of a scan is unlikely if it is beyond the limits of its trait. If there are at least 4
    scans, it is unlikely too if it is far from their median.
    """
    for scan in scans:
        unlikely = [text for trait in TRAITS if (text := _unlikely(trait, scan, scans))]
        if unlikely:
            yield f"{scan.case_id} may show no abdomen like the others: {'; '.join(unlikely)}"


def _unlikely(trait: Trait, scan: Scan, scans: Sequence[Scan]) -> str:
    """Return what is unlikely about a trait of a scan. Empty if nothing is."""
    value = trait.of(scan.findings)
    if value is None:
        return ""
    hint = f", {trait.hint}" if trait.hint and value > trait.high else ""
    text = f"{trait.name} {trait.shown(value)}"
    if not trait.low <= value <= trait.high:
        return f"{text} (usual: {trait.usual}){hint}"
    known = [one for other in scans if (one := trait.of(other.findings)) is not None]
    if len(known) >= N_TO_COMPARE and is_far(trait, value, known):
        return f"{text} (median of all: {trait.shown(float(np.median(known)))})"
    return ""


def is_far(trait: Trait, value: float, known: Sequence[float]) -> bool:
    """Return whether a value is far from the median of all, by their spread and by itself.

    Lengths are compared as logarithms, so that half and twice the median are equally far.
    """
    values = np.array([value, *known])
    at_least = trait.most_apart
    if not trait.is_share:
        values = np.log(np.maximum(values, LEAST_MM))  # a width of 0 means that there is no body
        at_least = float(np.log(at_least))
    apart = np.abs(values - np.median(values[1:]))
    spread = MAD_TO_SIGMA * float(np.median(apart[1:]))
    return bool(apart[0] > max(at_least, MOST_MADS * spread))
