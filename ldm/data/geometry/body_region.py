"""Measure what tells an abdomen from other regions of the body, such as a chest or a head."""

from dataclasses import dataclass

import numpy as np

from ldm.data.geometry.body import body_mask
from ldm.data.geometry.volume import BoolArray, Volume

GRID_MM = 4.0  # a voxel in each such step is looked at
# Aerated lung, about -860 HU, with its vessels. Gas in the bowel and emphysema are below.
LUNG_HU = (-950.0, -500.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRegion:
    """What a scan shows of a body.

    Attributes
    ----------
    lung_share
        The share of the body's voxels that are in the range of lung. Of an abdomen, this is a few
        percent, from the lower ends of the lungs; of a chest, a quarter or more. 0 if there is no
        body.
    width_mm
        The width of the body from left to right, as the median of all axial slices. 0 if there is
        no body.
    """

    lung_share: float
    width_mm: float


def body_region(volume: Volume) -> BodyRegion:
    """Measure what a scan shows of a body, on a grid of about 4 mm."""
    steps = np.maximum(1, GRID_MM // volume.spacing_mm).astype(int)
    hu = np.asfortranarray(volume.array[tuple(slice(None, None, step) for step in steps)])
    body = body_mask(hu)
    low, high = LUNG_HU
    n_lung = int(np.count_nonzero(body & (hu > low) & (hu < high)))
    return BodyRegion(
        lung_share=n_lung / max(1, int(np.count_nonzero(body))),
        width_mm=_median_width(body) * float(volume.spacing_mm[0] * steps[0]),
    )


def _median_width(body: BoolArray) -> float:
    """Return the median over all axial slices of the length along x that a mask spans, in voxels.

    Slices without the mask are left out. 0 if all are.
    """
    is_there: BoolArray = np.asarray(body.any(axis=1))  # (x, z)
    first = is_there.argmax(axis=0)
    last = len(is_there) - is_there[::-1].argmax(axis=0)
    widths = (last - first)[is_there.any(axis=0)]
    return float(np.median(widths)) if widths.size else 0.0
