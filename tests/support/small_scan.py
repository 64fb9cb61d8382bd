"""A tiny scan whose pancreas can be found by a threshold, for tests without networks."""

import numpy as np

from evaluation.organs.placement import Host
from evaluation.organs.weights import PANCREAS
from ldm.data.geometry.crop import pancreas_box
from ldm.data.geometry.field_of_view import whole_view
from ldm.data.geometry.volume import Volume, write_volume

AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])
MASK_BOX = ((8, 6, 4), (16, 12, 8))  # half-open: 16 x 12 x 16 mm
VIEW = whole_view(pancreas_box(AFFINE, MASK_BOX, 0.0))
GRID = (16, 16, 16)
SPINE = (slice(10, 14), slice(2, 4), slice(2, 10))
ORGAN_HU, TISSUE_HU, SPINE_HU = 200, 40, 900


def organ(volume):
    """Label all voxels between 120 and 400 HU as pancreas."""
    found = (volume.array > 120) & (volume.array < 400)
    return found.astype(np.uint8) * np.uint8(PANCREAS)


def narrow_organ(volume):
    """Label the same voxels, but one less on the low side of x."""
    labels = organ(volume)
    labels[1:] *= labels[:-1] > 0
    return labels


def organ_near_spine(volume):
    """Label the pancreas only if there is a spine, as TotalSegmentator needs a body around it."""
    return organ(volume) * np.uint8(volume.array.max() > 600)


def everywhere_but_in_the_box(volume):
    """Label all voxels of a scan as pancreas, except those in the box of its mask."""
    labels = np.full(volume.array.shape, PANCREAS, np.uint8)
    labels[8:16, 6:12, 4:8] = 0
    return labels


def scan(has_organ):
    """Return a trunk with a spine in air. Its mask's box contains an organ if ``has_organ``."""
    array = np.full((24, 18, 12), -1000, np.float32)
    array[2:22, 1:16, 1:11] = TISSUE_HU
    array[SPINE] = SPINE_HU
    if has_organ:
        array[10:14, 8:10, 5:7] = ORGAN_HU
    return Volume(array=array, affine=AFFINE)


def sample(has_organ=True, tissue_hu=TISSUE_HU):
    """Return a block of tissue on the grid, with an organ in its middle if ``has_organ``."""
    array = np.full(GRID, tissue_hu, np.float32)
    if has_organ:
        array[4:12, 4:12, 4:12] = ORGAN_HU
    return Volume(array=array, affine=np.eye(4))


def write_hosts(folder):
    """Write two scans, the first without an organ and the second with one. Returns their hosts."""
    paths = [folder / f"{name}.nii.gz" for name in ("without", "with")]
    for path, has_organ in zip(paths, (False, True), strict=True):
        write_volume(path, scan(has_organ))
    return [Host(image=path, view=VIEW) for path in paths]
