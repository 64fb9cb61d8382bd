"""An export of DICOM series with the scans of ``small_task07``."""

import numpy as np
import SimpleITK

from tests.support.small_dicom import PATIENT_ID, SERIES_UID, write_series
from tests.support.small_task07 import AFFINE, SHAPE, hu


def scan_image(seed, moved_mm=0.0):
    """Return a scan as SimpleITK has it, the same place in LPS. It may be moved to the left."""
    image = SimpleITK.GetImageFromArray(slices_of(hu(seed)))
    image.SetSpacing(np.diag(AFFINE)[:3].tolist())
    x_mm, y_mm = (-AFFINE[axis, axis] * (SHAPE[axis] - 1) for axis in (0, 1))
    image.SetOrigin((x_mm + moved_mm, y_mm, 0.0))
    return image


def slices_of(array):
    """Return an array in RAS+ as the slices of ``scan_image`` have it, (slices, rows, columns)."""
    return array[::-1, ::-1].T


def write_export(root, tags=None):
    """Write three patients, each with a series some folders down, as a PACS exports them."""
    for seed in range(3):
        own = {PATIENT_ID: f"patient {seed}", SERIES_UID: f"1.2.{seed}"}
        write_series(root / f"p{seed}" / "abdomen", scan_image(seed), own | (tags or {}))
    return root
