"""Note masks that are unlikely to show a pancreas, by their volume, extent and pieces.

An adult's pancreas has 72 ml, with a standard deviation of 26 ml (Saisho et al. 2007, Clin. Anat.
20:933). The limits below leave room for children and atrophy on one side, and on the other for the
large tumors and cysts that the Decathlon's masks contain. The two masks of real scans that this
project was tried on have 19 and 59 ml, and boxes of up to 135 x 74 x 80 mm.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ldm.data.geometry.box import VoxelBox
from ldm.data.geometry.volume import BoolArray
from ldm.errors import ScanError

VOLUME_ML = (10.0, 500.0)
MOST_MM = (280.0, 200.0, 240.0)  # along x, y and z
BLOCK_MM = 10.0  # pieces are apart if a block of this size between them is empty
STRAY_MM = 30.0  # a piece farther from the largest one is noted
MM3_PER_ML = 1000.0
LEAST_SCAN_MM = 8.0


def require_long_enough(
    shape: tuple[int, ...], spacing_mm: NDArray[np.float64], path: object
) -> None:
    """Raise ScanError, which names the scan, if it is shorter than 8 mm along an axis."""
    lengths = np.array(shape) * spacing_mm
    if lengths.min() < LEAST_SCAN_MM:
        raise ScanError(
            f"a scan is at least {LEAST_SCAN_MM:g} mm long along each axis",
            seen=f"{path} spans {_mm(lengths)}",
            remedy="convert the whole series, and check the voxel size: are these meters?",
        )


def notes_on_extent(
    organ: BoolArray, box: VoxelBox | None, spacing_mm: NDArray[np.float64], *, has_pancreas: bool
) -> Iterator[str]:
    """Yield notes on a mask of shape (x, y, z) that is unlikely to show a pancreas.

    ``box`` holds all its voxels, and is None if it has none: then there are no notes.
    ``has_pancreas`` says whether it has the pancreas itself, and not only tumors.
    """
    if box is None:
        return
    if not has_pancreas:
        yield "the mask has a tumor only, so its crop may hold little of the pancreas"
    low, high = np.array(box)
    extent = (high - low) * spacing_mm
    volume_ml = int(np.count_nonzero(organ)) * float(spacing_mm.prod()) / MM3_PER_ML
    least, most = VOLUME_ML
    if not least <= volume_ml <= most:
        hint = "only a part of it?" if volume_ml < least else "other organs, or the whole body?"
        yield (
            f"the mask has {volume_ml:.{0 if volume_ml >= least else 1}f} ml"
            f" (usual for a pancreas: {least:g} to {most:g} ml), {hint}"
        )
    if (extent > MOST_MM).any():
        yield f"the mask spans {_mm(extent)} (usual for a pancreas: up to {_mm(np.array(MOST_MM))})"
    if volume_ml <= most:  # beyond, pieces say nothing, and there are many voxels
        inside = organ[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        yield from _notes_on_pieces(inside, spacing_mm)


def _notes_on_pieces(inside: BoolArray, spacing_mm: NDArray[np.float64]) -> Iterator[str]:
    """Yield a note if pieces lie far from the largest one. ``inside`` is the box of a mask."""
    places = np.argwhere(inside) * spacing_mm
    blocks = tuple((places // BLOCK_MM).astype(int).T)
    grid = np.zeros([int(axis.max()) + 1 for axis in blocks], bool)
    grid[blocks] = True
    pieces, n_pieces = ndimage.label(grid, np.ones((3, 3, 3)))
    piece_of = pieces[blocks]
    largest = int(np.bincount(piece_of).argmax())
    main = places[piece_of == largest]
    low, high = main.min(axis=0), main.max(axis=0)
    gaps = []
    for piece in set(range(1, n_pieces + 1)) - {largest}:
        place = places[piece_of == piece]
        apart = np.maximum(0, np.maximum(place.min(axis=0) - high, low - place.max(axis=0)))
        gaps.append(float(np.linalg.norm(apart)))
    far = [gap for gap in gaps if gap > STRAY_MM]
    if far:
        yield (
            f"the mask has pieces ({len(far)}) up to {max(far):.0f} mm away from its largest piece,"
            f" which widen its box from {_mm(high - low + spacing_mm)} to"
            f" {_mm(np.array(inside.shape) * spacing_mm)}"
        )


def _mm(lengths: NDArray[np.float64]) -> str:
    return " x ".join(f"{mm:.3g}" for mm in lengths) + " mm"
