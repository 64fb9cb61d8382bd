"""A latent store of given volumes with random latents: nothing was encoded for it."""

import numpy as np

from ldm.data.cohort.cohort import Cohort, Split
from ldm.data.geometry.box import Box
from ldm.data.geometry.field_of_view import whole_view
from ldm.data.geometry.planes import PLANES
from ldm.data.latents.draft import StoreDraft
from ldm.data.latents.store import PreparedScan
from tests.support.small_task07 import usable


def write_store(target, *, latent_shape, train, held_out):
    """A store at ``target`` of named volumes; ``latent_shape`` is (channels, x, y, z)."""
    draft, rng, scans = StoreDraft(target), np.random.default_rng(0), []
    for split, named in ((Split.TRAIN, train), (Split.VALIDATION, held_out)):
        for name, volume in named:
            is_train = split is Split.TRAIN
            prepared = prepared_scan(name, split, volume, target.parent / f"{name}.nii.gz")
            draft.add(
                prepared,
                hu=volume.array,
                planes={plane: np.zeros((3, 2), np.int16) for plane in PLANES},
                latents=random_latents(rng, latent_shape) if is_train else {},
            )
            scans.append(usable(name, split))
    draft.finish(Cohort(name="small", scans=tuple(scans), exclusions=(), is_phantom=True))
    return target


def prepared_scan(name, split, volume, image):
    """All of a volume, as it is."""
    spacing_mm = tuple(float(mm) for mm in volume.spacing_mm)
    extent_mm = tuple(float(mm) for mm in np.multiply(volume.array.shape, volume.spacing_mm))
    axes = tuple(map(tuple, np.eye(3).tolist()))
    return PreparedScan(
        case_id=name,
        split=split,
        image=str(image),
        shape_voxels=volume.array.shape,
        spacing_mm=spacing_mm,
        affine=tuple(map(tuple, volume.affine.tolist())),
        field_of_view=whole_view(Box(corner_mm=(0.0,) * 3, extent_mm=extent_mm, directions=axes)),
        grid_spacing_mm=spacing_mm,
    )


def random_latents(rng, shape):
    return {
        "mean": rng.standard_normal(shape).astype(np.float16),
        "std": np.full(shape, 0.1, np.float16),
    }
