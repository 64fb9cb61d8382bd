"""Phantoms on the demo's grid that no shipped weights were trained on."""

import numpy as np

from ldm.autoencoder.request import trunk_of_phantom
from ldm.config import Crop
from ldm.data.cohort.inspection import bounding_box
from ldm.data.geometry.crop import find_box
from ldm.data.geometry.field_of_view import whole_view
from ldm.data.geometry.grid import to_grid
from ldm.data.phantom.canvas import Organ
from ldm.data.phantom.phantom import make_phantom
from ldm.recipes import demo

UNSEEN_SEEDS = range(400_000, 400_012)  # training draws from 300 000 on, cohorts below 10 000


def on_grid(phantom, crop):
    """Return a crop of a phantom as a volume on the demo's grid."""
    box = find_box(
        crop,
        phantom.scan,
        mask_box=bounding_box(phantom.organs == Organ.PANCREAS),
        margin_mm=0.0,
        find_trunk=trunk_of_phantom,
    )
    return to_grid(phantom.scan, whole_view(box), demo(crop).image.grid_voxels)


def unseen_volumes(seeds):
    """Return the HU arrays of the phantoms, as one list per crop."""
    phantoms = [make_phantom(seed) for seed in seeds]
    return {crop: [on_grid(phantom, crop).array for phantom in phantoms] for crop in Crop}


def organs_on(volume, phantom):
    """Return the phantom's organ labels at the voxel centers of ``volume``."""
    to_phantom = np.linalg.inv(phantom.scan.affine) @ volume.affine
    indices = np.indices(volume.array.shape).reshape(3, -1)
    voxels = np.rint(to_phantom[:3, :3] @ indices + to_phantom[:3, 3:]).astype(int)
    last = np.array(phantom.organs.shape)[:, None] - 1
    return phantom.organs[tuple(voxels.clip(0, last))].reshape(volume.array.shape)
