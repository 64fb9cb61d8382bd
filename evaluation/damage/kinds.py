"""Known damage: what a score must see, or say that it is blind to.

A generated volume can be wrong in these ways; each has doses, the least first, and each dose makes
it worse.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import ndimage

from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.volume import FloatArray, Volume

NamedVolume = tuple[str, Volume]


class Damage(StrEnum):
    """What is done to volumes; the unit of its dose is in the name."""

    BLUR = "blur of mm"
    NOISE = "noise of HU"
    SHIFT = "shift by HU"
    ZOOM = "zoom by"
    ORGAN_REMOVED = "share without pancreas"
    SWAP = "share with left and right swapped"
    COPIES = "share of training copies"

    @property
    def label(self) -> str:
        """The damage without its dose."""
        return self.name.lower().replace("_", " ")


DOSES: Mapping[Damage, tuple[float, ...]] = {
    Damage.BLUR: (3.0, 6.0, 12.0),
    Damage.NOISE: (25.0, 50.0, 100.0),
    Damage.SHIFT: (20.0, 50.0, 100.0),
    Damage.ZOOM: (1.1, 1.2, 1.4),
    Damage.ORGAN_REMOVED: (0.5, 1.0),
    Damage.SWAP: (0.5, 1.0),
    Damage.COPIES: (0.25, 0.5, 1.0),
}

# What changes neither the histogram of a set nor the look of its slices.
ARRANGEMENT = frozenset({Damage.ORGAN_REMOVED, Damage.SWAP, Damage.COPIES})
# What leaves every volume as real as before, or almost.
PLAUSIBLE = frozenset({Damage.ORGAN_REMOVED, Damage.COPIES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """Volumes to damage: samples, the same without a pancreas, and training volumes to copy."""

    samples: Sequence[NamedVolume]
    without_pancreas: Sequence[NamedVolume]
    training: Sequence[NamedVolume]


def damaged(subjects: Subjects, damage: Damage, dose: float) -> Iterator[NamedVolume]:
    """The samples with a dose of one kind of damage; a share takes the first of them."""
    n_spoiled = round(dose * len(subjects.samples))
    for index, (name, volume) in enumerate(subjects.samples):
        if damage in VOXELWISE:
            yield name, _with(volume, VOXELWISE[damage](volume, dose, index))
        elif index >= n_spoiled:
            yield name, volume
        elif damage is Damage.SWAP:
            yield name, _with(volume, volume.array[::-1].copy())
        elif damage is Damage.ORGAN_REMOVED:
            yield subjects.without_pancreas[index]
        else:
            yield subjects.training[index % len(subjects.training)]


def blur(volume: Volume, sigma_mm: float, _: int) -> FloatArray:
    """A Gaussian of this standard deviation along each axis."""
    blurred: FloatArray = ndimage.gaussian_filter(volume.array, sigma_mm / volume.spacing_mm)
    return blurred


def noise(volume: Volume, sigma_hu: float, seed: int) -> FloatArray:
    """White noise of this standard deviation; what falls under air is air."""
    drawn = np.random.default_rng(seed).standard_normal(volume.array.shape, np.float32)
    return (volume.array + np.float32(sigma_hu) * drawn).clip(AIR_HU, None)


def shift(volume: Volume, by_hu: float, _: int) -> FloatArray:
    """Every voxel by as many HU, the air too: a wrong calibration."""
    return volume.array + np.float32(by_hu)


def zoom(volume: Volume, factor: float, _: int) -> FloatArray:
    """The middle, larger by a factor, on the same grid."""
    center = (np.array(volume.array.shape) - 1) / 2
    zoomed: FloatArray = ndimage.affine_transform(
        volume.array, np.full(3, 1 / factor), center - center / factor, order=1, cval=AIR_HU
    )
    return zoomed


VOXELWISE: Mapping[Damage, Callable[[Volume, float, int], FloatArray]] = {
    Damage.BLUR: blur,
    Damage.NOISE: noise,
    Damage.SHIFT: shift,
    Damage.ZOOM: zoom,
}


def _with(volume: Volume, array: FloatArray) -> Volume:
    return Volume(array=array, affine=volume.affine)
