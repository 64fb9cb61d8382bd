"""Damage volumes in known ways, to test which scores notice.

Each kind of damage is a way in which a generated volume can be wrong. It is applied in several
doses, from the smallest to the largest. A score must get worse with the dose, or declare that it is
blind to this damage.
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
    """A kind of damage. The value is a format for the damage with its dose."""

    BLUR = "blur {:g} mm"
    NOISE = "noise {:g} HU"
    SHIFT = "shift {:g} HU"
    ZOOM = "zoom {:g}x"
    ORGAN_REMOVED = "{:.0%} without pancreas"
    SWAP = "{:.0%} mirrored left to right"
    COPIES = "{:.0%} training copies"

    @property
    def label(self) -> str:
        """The name of the damage without its dose, for example "organ removed"."""
        return self.name.lower().replace("_", " ")

    def with_dose(self, dose: float) -> str:
        """Return the damage with its dose, for example "blur 3 mm"."""
        return self.value.format(dose)


DOSES: Mapping[Damage, tuple[float, ...]] = {
    Damage.BLUR: (3.0, 6.0, 12.0),
    Damage.NOISE: (25.0, 50.0, 100.0),
    Damage.SHIFT: (20.0, 50.0, 100.0),
    Damage.ZOOM: (1.1, 1.2, 1.4),
    Damage.ORGAN_REMOVED: (0.5, 1.0),
    Damage.SWAP: (0.5, 1.0),
    Damage.COPIES: (0.25, 0.5, 1.0),
}

# Damage that changes neither the histogram of a set nor the appearance of its slices.
ARRANGEMENT = frozenset({Damage.ORGAN_REMOVED, Damage.SWAP, Damage.COPIES})
# Damage after which each single volume is still as plausible as before, or nearly so.
PLAUSIBLE = frozenset({Damage.ORGAN_REMOVED, Damage.COPIES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """The named volumes that damage is applied to.

    Attributes
    ----------
    samples
        The volumes that are damaged.
    without_pancreas
        The same volumes, in the same order, without a pancreas.
    training
        Training volumes that take the place of samples as copies.
    """

    samples: Sequence[NamedVolume]
    without_pancreas: Sequence[NamedVolume]
    training: Sequence[NamedVolume]


def damaged(subjects: Subjects, damage: Damage, dose: float) -> Iterator[NamedVolume]:
    """Yield the samples with one kind of damage at one dose.

    The dose is in mm for blur, in HU for noise and shift, and a factor for zoom; these change every
    sample. For the other kinds the dose is a share between 0 and 1: that share of the samples is
    damaged, from the first one on, and the rest stays as it is.
    """
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
    """Blur with a Gaussian of standard deviation ``sigma_mm`` along each axis."""
    blurred: FloatArray = ndimage.gaussian_filter(volume.array, sigma_mm / volume.spacing_mm)
    return blurred


def noise(volume: Volume, sigma_hu: float, seed: int) -> FloatArray:
    """Add white noise of standard deviation ``sigma_hu``; values below air become air.

    The same ``seed`` and shape give the same noise.
    """
    drawn = np.random.default_rng(seed).standard_normal(volume.array.shape, np.float32)
    return (volume.array + np.float32(sigma_hu) * drawn).clip(AIR_HU, None)


def shift(volume: Volume, by_hu: float, _: int) -> FloatArray:
    """Add ``by_hu`` to every voxel, including air, as a wrongly calibrated scanner would."""
    return volume.array + np.float32(by_hu)


def zoom(volume: Volume, factor: float, _: int) -> FloatArray:
    """Enlarge the center of the volume by ``factor`` on the same grid."""
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
