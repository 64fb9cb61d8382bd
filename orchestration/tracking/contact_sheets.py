"""Draw the contact sheets of a latent store from the slices that the store keeps."""

from pathlib import Path

import numpy as np

from evaluation.contact_sheet import SheetRow, write_contact_sheets
from ldm.config import Crop, InputSize
from ldm.data.geometry.planes import box_in_scan
from ldm.data.latents.store import LatentStore, PreparedScan


def contact_sheets(folder: Path, crop: Crop, size: InputSize) -> list[Path]:
    """Return the image files of a latent store's contact sheets.

    They are drawn if they do not exist yet. ``folder`` is the folder of the store. ``crop`` and
    ``size`` appear in the title.
    """
    if found := sorted(folder.glob("contact_sheet*.png")):
        return found
    store = LatentStore(folder)
    rows = [_row(store, scan) for scan in store.manifest.scans]
    what = "generated phantoms, no patients" if store.manifest.is_phantom else "scans"
    return write_contact_sheets(folder, rows, f"{crop}, input size {size}: {len(rows)} {what}")


def _row(store: LatentStore, scan: PreparedScan) -> SheetRow:
    affine, view = np.array(scan.affine), scan.field_of_view
    x_mm, y_mm, z_mm = np.multiply(scan.shape_voxels, scan.spacing_mm).tolist()
    seen = " x ".join(f"{fraction:.0%}" for fraction in view.fraction)
    lines = (
        f"{scan.split}",
        f"scan {x_mm:.0f} x {y_mm:.0f} x {z_mm:.0f} mm",
        f"crop {_millimeters(view.crop.extent_mm)} mm",
        f"seen {seen}",
        f"voxel {' x '.join(f'{mm:.2f}' for mm in scan.grid_spacing_mm)} mm",
    )
    return SheetRow(
        name=scan.case_id,
        note="\n".join(lines),
        planes=store.planes(scan),
        size_mm=(x_mm, y_mm, z_mm),
        crop=box_in_scan(view.crop, affine),
        view=box_in_scan(view.box, affine),
    )


def _millimeters(extent_mm: tuple[float, float, float]) -> str:
    return " x ".join(f"{mm:.0f}" for mm in extent_mm)
