"""Notice samples whose voxel size or orientation differs from that of the reference scans.

Most scores do not see these faults. What is noticed is a note for people; nothing is left out.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from evaluation.memorization.alignment import MIRRORS, Hu, search_places
from evaluation.memorization.search import shrunk
from evaluation.metric import Observations, RealScans
from evaluation.observation import Observation
from ldm.data.geometry.volume import Volume

TOLERANCE = 0.1  # of the shortest and the longest side of the reference scans
P_VALUE = 0.05  # that as many real scans would look mirrored
MAX_SCANS = 16  # reference scans for the comparison with mirrored samples; more say little more
# How much smaller the squared difference from the nearest real scan must become by mirroring. On
# phantoms that are mirrored it becomes 0.11 to 0.66 times as large. On volumes without sides it
# becomes 0.95 times as large (white noise) or does not change (a constant).
MIRROR_MARGIN = 0.2
AXES = ("left to right", "front to back", "head to foot")
LENGTHS = ("width", "depth", "height")

NamedVolumes = Iterable[tuple[str, Volume]]


@dataclass(slots=True, kw_only=True)
class Sizes:
    """The lengths of volumes in mm along x, y and z, which are collected while they are read."""

    lengths_mm: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def collect(self, volumes: NamedVolumes) -> Iterator[tuple[str, Volume]]:
        """Yield the volumes unchanged, and keep the lengths of each by its name."""
        for name, volume in volumes:
            lengths = volume.spacing_mm * volume.array.shape
            self.lengths_mm[name] = tuple(lengths.tolist())
            yield name, volume

    def collecting(self, volumes: Callable[[], NamedVolumes]) -> Callable[[], NamedVolumes]:
        """Return a function that yields the same volumes and keeps their lengths."""
        return lambda: self.collect(volumes())


def size_notes(samples: Sizes, real: Sizes) -> list[str]:
    """Return a note for each axis along which samples are longer or shorter than all real scans.

    A tenth of difference is tolerated. Without real scans there are no notes.
    """
    if not real.lengths_mm or not samples.lengths_mm:
        return []
    ours, theirs = (np.array(list(one.lengths_mm.values())) for one in (samples, real))
    low, high = theirs.min(axis=0), theirs.max(axis=0)
    is_odd = (ours < low * (1 - TOLERANCE)) | (ours > high * (1 + TOLERANCE))
    return [
        f"Check the voxel size of the samples: {is_odd[:, axis].sum()} of {len(ours)} have a "
        f"{LENGTHS[axis]} of {_span(ours[is_odd[:, axis], axis])} mm. That of the reference scans "
        f"is {_span(theirs[:, axis])} mm."
        for axis in np.flatnonzero(is_odd.any(axis=0))
    ]


def side_notes(observations: Observations, *, what: str) -> list[str]:
    """Return a note if volumes have the liver on the patient's left side of the spleen.

    ``what`` names the volumes in the note. Volumes in which one of both is not found do not count.
    """
    seen = [x for x in map(_liver_to_spleen_mm, observations) if x is not None]
    n_mirrored = sum(x < 0 for x in seen)
    if not n_mirrored:
        return []
    return [
        f"Check left and right: in {n_mirrored} of the {len(seen)} {what} in which liver and "
        "spleen are found, the liver is on the patient's left and the spleen on the right."
    ]


def mirror_notes(samples: Observations, scans: RealScans) -> list[str]:
    """Return a note if samples resemble the reference scans more after they are mirrored.

    Each sample is compared with up to 16 real scans in its eight mirrored forms. A mirrored form is
    preferred if its squared difference is smaller by a fifth or more. There is a note only if more
    samples than real scans prefer a mirrored form, by Fisher's exact test. There is none for
    volumes of several grids, and none for fewer than 4 real scans.
    """
    real = (*scans.held_out, *scans.training)[:MAX_SCANS]
    shapes = {one.thumbnail.shape for one in (*samples, *real)}
    if len(real) < 4 or len(shapes) > 1:
        return []
    references = np.stack([shrunk(one) for one in real])
    of_samples = [_best_mirror(shrunk(one), references) for one in samples]
    of_real = [
        _best_mirror(one, np.delete(references, index, axis=0))
        for index, one in enumerate(references)
    ]
    notes = []
    for mirror in dict.fromkeys(of_samples):
        n, n_real = of_samples.count(mirror), of_real.count(mirror)
        table = [[n, len(of_samples) - n], [n_real, len(of_real) - n_real]]
        is_odd = fisher_exact(table, alternative="greater").pvalue <= P_VALUE
        if is_odd and mirror != MIRRORS[0]:
            how = " and ".join(name for name, sign in zip(AXES, mirror, strict=True) if sign == -1)
            notes.append(
                f"Check the orientation of the samples: {n} of {len(samples)} resemble the "
                f"reference scans more if they are mirrored {how}."
            )
    return notes


def _best_mirror(volume: Hu, references: Hu) -> tuple[int, ...]:
    """Return the mirrored form that fits the references best.

    It is the volume as it is unless another form fits clearly better.
    """
    forms = search_places(volume, references)
    misfits = {form.mirror: float(form.misfits.min()) for form in forms}
    best = min(misfits, key=lambda mirror: misfits[mirror])
    is_clear = misfits[best] <= (1 - MIRROR_MARGIN) * misfits[MIRRORS[0]]
    return best if is_clear else MIRRORS[0]


def _liver_to_spleen_mm(one: Observation) -> float | None:
    """Return how far the liver lies to the patient's right of the spleen, None if one is absent."""
    at = {found.organ: found.centroid_mm for found in one.organs}
    liver, spleen = at.get("liver"), at.get("spleen")
    return None if liver is None or spleen is None else liver[0] - spleen[0]


def _span(lengths_mm: NDArray[np.float64]) -> str:
    low, high = f"{lengths_mm.min():.0f}", f"{lengths_mm.max():.0f}"
    return low if low == high else f"{low} to {high}"
