"""Sort slices by the positions in their tags, and find the affine of the whole stack."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldm.data.geometry.volume import Affine
from ldm.errors import ScanError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SAME_PLACE_MM = 0.01
DIRECTION_TOLERANCE = 1e-3  # of a unit vector
# How far a slice may be from its place in an evenly spaced stack, in slice spacings. Positions that
# were rounded are closer; if a slice is missing, another is off by half a spacing or more.
PLACE_TOLERANCE = 0.1
SHEAR_TOLERANCE = 1e-3  # mm aside per mm along the normal (0.06 degrees), beyond a tenth pixel


def stack(
    paths: list[Path],
    *,
    position_mm: NDArray[np.float64],
    directions: NDArray[np.float64],
    pixel_mm: NDArray[np.float64],
) -> tuple[NDArray[np.intp], Affine]:
    """Sort slices by position, and return their order and the affine of the sorted stack.

    The arrays have one row for each slice: its ImagePositionPatient (3), ImageOrientationPatient
    (6) and PixelSpacing (2). The order ascends along the normal of the slices, which points to the
    left, the back or the head. The affine maps the index along a row, the index along a column and
    the number of the slice, in this sequence, to mm in RAS.

    Raises ScanError unless all slices have the same orientation and pixel size, are evenly spaced,
    and lie straight above each other. A gantry tilt is refused; slices in an oblique plane are not.
    The error names the files in ``paths``. The caller must have checked that there are at least two
    slices and that all numbers are finite.
    """
    check_alike(paths, "ImageOrientationPatient", directions, DIRECTION_TOLERANCE)
    check_alike(paths, "PixelSpacing", pixel_mm, DIRECTION_TOLERANCE * np.abs(pixel_mm).min())
    along_row, along_column = _unit_directions(paths[0], directions[0], pixel_mm.min())
    normal = np.cross(along_row, along_column)
    normal *= np.sign(normal[np.abs(normal).argmax()])  # points to left, back or head
    order = np.argsort(position_mm @ normal, kind="stable")
    paths, position_mm = [paths[index] for index in order], position_mm[order]
    _check_heights(paths, position_mm @ normal)
    _check_upright(paths, position_mm - position_mm[0], normal, pixel_mm.min())
    affine = np.eye(4)
    affine[:3, 0] = along_row * pixel_mm[0, 1]  # PixelSpacing counts between rows first
    affine[:3, 1] = along_column * pixel_mm[0, 0]
    affine[:3, 2] = (position_mm[-1] - position_mm[0]) / (len(paths) - 1)
    affine[:3, 3] = position_mm[0]
    return order, LPS_TO_RAS @ affine


def check_alike(paths: list[Path], name: str, table: NDArray[np.float64], tolerance: float) -> None:
    """Raise ScanError if a row of a table differs from the first by more than ``tolerance``.

    The table has one row for each slice and no NaN. ``name`` and ``paths`` are used in the error
    message.
    """
    differences = np.abs(table - table[0]).max(axis=1)
    other = int(differences.argmax())
    if differences[other] > tolerance:
        raise ScanError(
            f"all slices have the same {name}",
            seen=f"{paths[0]} has {table[0].tolist()} and {paths[other]} {table[other].tolist()}",
            remedy="take scouts and other images out",
        )


def _unit_directions(
    path: Path, directions: NDArray[np.float64], pixel_mm: float
) -> NDArray[np.float64]:
    """Return the unit directions along a row and along a column, shape (2, 3).

    ``directions`` is the ImageOrientationPatient of the slice in ``path``. Raises ScanError if its
    two vectors are not perpendicular unit vectors, or if ``pixel_mm`` is not above 0.
    """
    pair = directions.reshape(2, 3)
    if pixel_mm <= 0 or np.abs(pair @ pair.T - np.eye(2)).max() > 2 * DIRECTION_TOLERANCE:
        raise ScanError(
            "pixels have a size and perpendicular unit directions",
            seen=f"{path} has {pixel_mm:g} mm and {directions.tolist()}",
            remedy="export the series again",
        )
    unit: NDArray[np.float64] = pair / np.linalg.norm(pair, axis=1, keepdims=True)
    return unit


def _check_heights(paths: list[Path], height_mm: NDArray[np.float64]) -> None:
    """Raise ScanError unless slices have distinct, evenly spaced heights along the normal.

    The heights must be sorted.
    """
    steps_mm = np.diff(height_mm)
    (same,) = np.nonzero(steps_mm < SAME_PLACE_MM)
    if same.size:
        raise ScanError(
            "each slice has a place of its own",
            seen=f"{paths[same[0]]} and {paths[same[0] + 1].name} are both at"
            f" {height_mm[same[0]]:.2f} mm, one of {same.size} such pairs",
            remedy="take copies out, put each phase in its own folder",
        )
    even_mm = np.linspace(height_mm[0], height_mm[-1], len(paths))
    if np.abs(height_mm - even_mm).max() > PLACE_TOLERANCE * (even_mm[1] - even_mm[0]):
        usual_mm = float(np.quantile(steps_mm, 0.5, method="lower"))
        gap = int(np.abs(steps_mm - usual_mm).argmax())
        raise ScanError(
            "slices are evenly spaced",
            seen=f"{paths[gap]} at {height_mm[gap]:.2f} mm and"
            f" {paths[gap + 1].name} at {height_mm[gap + 1]:.2f} mm are {steps_mm[gap]:.2f} mm"
            f" apart, usual are {usual_mm:.2f} mm",
            remedy="copy missing slices there, or resample the scan evenly and store it as NIfTI",
        )


def _check_upright(
    paths: list[Path], offset_mm: NDArray[np.float64], normal: NDArray[np.float64], pixel_mm: float
) -> None:
    """Raise ScanError if slices are shifted against each other, so that the axes would shear.

    ``offset_mm`` holds the position of each slice relative to the first, shape (n, 3).
    """
    height_mm = offset_mm @ normal
    aside_mm = np.linalg.norm(offset_mm - np.outer(height_mm, normal), axis=1)
    worst = int((aside_mm - pixel_mm / 10 - SHEAR_TOLERANCE * height_mm).argmax())
    if aside_mm[worst] > pixel_mm / 10 + SHEAR_TOLERANCE * height_mm[worst]:
        tilt_degrees = np.degrees(np.arctan2(aside_mm[worst], height_mm[worst]))
        raise ScanError(
            "slices lie straight above each other",
            seen=f"{paths[worst]} lies {aside_mm[worst]:.2f} mm aside of {paths[0].name} over"
            f" {height_mm[worst]:.2f} mm (gantry tilt of {tilt_degrees:.1f} degrees?)",
            remedy="convert the series with dcm2niix, which undoes a tilt, and take its NIfTI",
        )
