"""Resample one scan to the model's grid, by our code and by MONAI's transforms."""

import gzip
import time
from pathlib import Path
from statistics import median

import numpy as np
from fresh import Cost, cost_of

from ldm.config import Crop, ImageConfig, InputSize
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.box import box_of_voxels
from ldm.data.geometry.crop import full_body_box
from ldm.data.geometry.cube import largest_cube
from ldm.data.geometry.field_of_view import FieldOfView, field_of_view, whole_view
from ldm.data.geometry.grid import to_grid, voxels_of
from ldm.data.geometry.volume import BoolArray, Volume, write_volume
from ldm.data.phantom.phantom import make_phantom
from ldm.recipes import BUNDLE_GRID_VOXELS

SCAN_VOXELS, SCAN_SPACING_MM = (512, 512, 100), (0.977, 0.977, 4.25)
RESAMPLED_MM = 1.1
CUBE_VOXELS, CUBE_SPACING_MM = (512, 512, 300), (0.8, 0.8, 1.0)


def write_scan(path: Path) -> None:
    """Write a phantom that is as large as a real scan.

    Noise is added so that it compresses as poorly as a real scan.
    """
    phantom = make_phantom(0).scan
    scan = to_grid(phantom, whole_view(full_body_box(phantom)), SCAN_VOXELS)
    noise_hu = np.random.default_rng(0).normal(0, 12, SCAN_VOXELS)
    affine = np.diag([*SCAN_SPACING_MM, 1.0])
    write_volume(path, Volume(array=scan.array + noise_hu.astype(np.float32), affine=affine))


def write_small_scan(path: Path) -> None:
    """Write a small phantom, for a first call that is not measured."""
    write_volume(path, make_phantom(0).scan)


def ours(path: Path, size: InputSize) -> Volume:
    """Read a scan and resample it to the study's grid for an input size."""
    image = ImageConfig(
        crop=Crop.FULL_BODY,
        input_size=size,
        grid_voxels=BUNDLE_GRID_VOXELS,
        resampled_mm=RESAMPLED_MM,
    )
    scan = read_scan(path)
    x_mm, y_mm, z_mm = scan.spacing_mm.tolist()
    view = field_of_view(
        full_body_box(scan), image, shape_voxels=scan.array.shape, spacing_mm=(x_mm, y_mm, z_mm)
    )
    return to_grid(scan, view, image.grid_voxels)


def measure_ours(path: Path, small: Path) -> Cost:
    """Measure our code once, for the study's input size."""
    ours(small, InputSize.SCAN)
    return cost_of(lambda: ours(path, InputSize.SCAN))[1]


def measure_monai(path: Path, small: Path) -> tuple[Volume, Cost]:
    """Measure MONAI's transforms once, for the same grid; return the result and its cost."""
    from monai import transforms as t

    chain = t.Compose(
        [
            t.LoadImaged("image"),
            t.EnsureChannelFirstd("image"),
            t.Orientationd("image", axcodes="RAS"),
            t.Spacingd("image", pixdim=(RESAMPLED_MM,) * 3, mode="bilinear"),
            t.CenterSpatialCropd("image", roi_size=BUNDLE_GRID_VOXELS),
        ]
    )
    chain({"image": small})
    image, cost = cost_of(lambda: chain({"image": path})["image"])
    return Volume(array=np.array(image[0]), affine=np.array(image.affine, np.float64)), cost


def difference_hu(path: Path, theirs: Volume) -> float:
    """Return the mean absolute difference in HU between our result and MONAI's.

    MONAI's grid is shifted by up to half a voxel, so our code resamples to MONAI's grid here.
    Voxels outside the scan are excluded.
    """
    scan = read_scan(path)
    crop = full_body_box(scan)
    shape = theirs.array.shape
    box = box_of_voxels(theirs.affine, np.full(3, -0.5), np.array(shape) - 0.5)
    on_theirs = to_grid(scan, FieldOfView(crop=crop, box=box, fraction=(1.0, 1.0, 1.0)), shape)
    inside = voxels_of(crop, theirs)
    return float(np.abs(on_theirs.array[inside] - theirs.array[inside]).mean())


def after_decoding_s(path: Path, size: InputSize, n_times: int) -> tuple[float, float]:
    """Return the seconds for everything except gzip decoding, and those for gzip decoding.

    The whole and the decoding are measured in turn; both times are medians.
    """
    packed = path.read_bytes()
    ours(path, size)
    decode_s = [_seconds_to_decode(packed)]
    whole_s = []
    for _ in range(n_times):
        whole_s.append(cost_of(lambda: ours(path, size))[1].seconds)
        decode_s.append(_seconds_to_decode(packed))
    return median(whole_s) - median(decode_s), median(decode_s)


def _seconds_to_decode(packed: bytes) -> float:
    start_s = time.perf_counter()
    gzip.decompress(packed)
    return time.perf_counter() - start_s


def measure_cube(n_times: int) -> list[Cost]:
    """Measure the search for the largest cube in a trunk mask without its lungs."""
    trunk, affine = _trunk(), np.diag([*CUBE_SPACING_MM, 1.0])
    return [cost_of(lambda: largest_cube(trunk, affine))[1] for _ in range(n_times)]


def _trunk() -> BoolArray:
    x, y, z = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in CUBE_VOXELS)]
    trunk: BoolArray = (x / 0.85) ** 2 + (y / 0.6) ** 2 < 1 + 0 * z
    for side in (-0.4, 0.4):
        trunk &= ((x - side) / 0.25) ** 2 + (y / 0.35) ** 2 + ((z - 0.9) / 0.6) ** 2 > 1
    return trunk
