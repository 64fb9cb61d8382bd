"""Alter copies of training scans in ways that leave them recognizable to a person."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy import ndimage

from evaluation.damage.kinds import NamedVolume, blur, noise
from ldm.data.geometry.intensity import AIR_HU
from ldm.data.geometry.volume import FloatArray, Volume

Alter = Callable[[Volume], FloatArray]
SHIFT_MM = 10.0


def mirror(*axes: int) -> Alter:
    """Return a function that reverses a volume along some axes."""
    return lambda volume: np.flip(volume.array, axes)


def move(*shift_mm: float, scale: float = 1.0) -> Alter:
    """Return a function that scales a volume around its center and then shifts it.

    Air comes in from outside.
    """

    def moved(volume: Volume) -> FloatArray:
        center = (np.array(volume.array.shape) - 1) / 2
        offset = center - (center + np.array(shift_mm) / volume.spacing_mm) / scale
        array: FloatArray = ndimage.affine_transform(
            volume.array, np.full(3, 1 / scale), offset, order=1, cval=AIR_HU
        )
        return array

    return moved


def _shifts() -> Iterator[tuple[str, Alter]]:
    for axis, name in enumerate("xyz"):
        for shift_mm in (SHIFT_MM, -SHIFT_MM):
            yield f"shifted {shift_mm:+g} mm along {name}", move(*np.eye(3)[axis] * shift_mm)


def _together(*steps: Alter) -> Alter:
    def altered(volume: Volume) -> FloatArray:
        for step in steps:
            volume = Volume(array=step(volume), affine=volume.affine)
        return volume.array

    return altered


_DIAGONAL_MM = np.array([1, -1, 1]) * SHIFT_MM / np.sqrt(3)
ALTERATIONS: Mapping[str, Alter] = {
    "unaltered": lambda volume: volume.array,
    "mirrored left to right": mirror(0),
    "mirrored front to back": mirror(1),
    "mirrored head to foot": mirror(2),
    "turned from back to belly": mirror(0, 1),
    **dict(_shifts()),
    "shifted 10 mm diagonally": move(*_DIAGONAL_MM),
    "shifted 10 mm along each axis": move(SHIFT_MM, SHIFT_MM, -SHIFT_MM),
    "scaled by 0.9": move(0, 0, 0, scale=0.9),
    "scaled by 1.1": move(0, 0, 0, scale=1.1),
    "blurred by 2 mm": lambda volume: blur(volume, 2.0, 0),
    "blurred by 4 mm": lambda volume: blur(volume, 4.0, 0),
    "with noise of 50 HU": lambda volume: noise(volume, 50.0, 0),
    "made 50 HU brighter": lambda volume: volume.array + np.float32(50),
    "mirrored and shifted 10 mm": _together(mirror(0), move(*_DIAGONAL_MM)),
    "mirrored, shifted 7 mm, scaled by 0.95, blurred by 1 mm, with noise of 20 HU": _together(
        mirror(0),
        move(4, -4, 4, scale=0.95),
        lambda volume: blur(volume, 1.0, 0),
        lambda volume: noise(volume, 20.0, 0),
    ),
}


def altered(volumes: list[NamedVolume], alter: Alter) -> Iterator[NamedVolume]:
    """Yield each volume after an alteration, under its own name."""
    for name, volume in volumes:
        array = np.ascontiguousarray(alter(volume), np.float32)
        yield name, Volume(array=array, affine=volume.affine)
