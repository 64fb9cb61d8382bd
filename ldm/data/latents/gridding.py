"""Put the crop of one scan on the model's grid, for each input size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ldm.config import Crop, ImageConfig
from ldm.data.cohort.cohort import Scan
from ldm.data.cohort.expert_mask import read_pancreas
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.box import Box
from ldm.data.geometry.crop import find_box
from ldm.data.geometry.field_of_view import field_of_view
from ldm.data.geometry.grid import to_grid, voxels_of
from ldm.data.geometry.planes import ThinArray, cut_planes
from ldm.data.geometry.volume import BoolArray, FloatArray, Volume
from ldm.data.latents.store import PreparedScan


@dataclass(frozen=True, slots=True, kw_only=True)
class GriddedScan:
    """A scan on the model's grid for one input size.

    ``hu`` has shape (x, y, z), and ``planes`` holds the slices that a contact sheet shows.
    """

    image: ImageConfig
    scan: PreparedScan
    hu: FloatArray
    planes: dict[str, ThinArray]


def grid_scan(
    scan: Scan,
    images: Sequence[ImageConfig],
    find_trunk: Callable[[Volume], BoolArray],
    *,
    holds_pancreas: bool = False,
) -> list[GriddedScan]:
    """Read a scan once and put its crop on the grid of each of ``images``, in their order.

    The image configurations must differ in the input size only. ``find_trunk`` returns the mask of
    the trunk and is called for the semi-body crop only. ``holds_pancreas`` says whether the cube of
    this crop must hold the pancreas. Raises ScanError if the scan cannot be used.
    """
    volume, found = read_scan(scan.case.image), scan.findings
    crop = find_box(
        images[0].crop,
        volume,
        mask_box=found.mask_box,
        margin_mm=images[0].margin_mm,
        find_trunk=find_trunk,
        holds_pancreas=holds_pancreas,
    )
    share = pancreas_share(scan, crop, volume) if images[0].crop is Crop.SEMI_BODY else None
    planes = cut_planes(volume, crop)
    gridded = []
    for image in images:
        view = field_of_view(
            crop, image, shape_voxels=found.shape_voxels, spacing_mm=found.spacing_mm
        )
        grid = to_grid(volume, view, image.grid_voxels)
        x_mm, y_mm, z_mm = grid.spacing_mm.tolist()
        prepared = PreparedScan(
            case_id=scan.case_id,
            split=scan.split,
            image=str(scan.case.image),
            shape_voxels=found.shape_voxels,
            spacing_mm=found.spacing_mm,
            affine=tuple(tuple(row) for row in volume.affine.tolist()),
            field_of_view=view,
            grid_spacing_mm=(x_mm, y_mm, z_mm),
            pancreas_share=share,
        )
        gridded.append(GriddedScan(image=image, scan=prepared, hu=grid.array, planes=planes))
    return gridded


def pancreas_share(scan: Scan, box: Box, volume: Volume) -> float | None:
    """Return the share of a scan's pancreas and its tumor that lies in a box.

    None if the scan has no mask, or none that has a pancreas.
    """
    if scan.case.mask is None or scan.findings.mask_box is None:
        return None
    organ, _ = read_pancreas(scan.case.mask, scan.case.labels, scan.case.image)
    n_inside = int(np.count_nonzero(organ[voxels_of(box, volume)]))
    return n_inside / int(np.count_nonzero(organ))
