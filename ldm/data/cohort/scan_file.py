"""Read a scan from a NIfTI file or from a folder with a DICOM series."""

from pathlib import Path

import numpy as np

from ldm.data.geometry.nifti_header import affine_mm, read_header
from ldm.data.geometry.orientation import to_ras
from ldm.data.geometry.volume import Affine, Volume, check_affine, read_volume


def read_scan(path: Path) -> Volume:
    """Read a NIfTI file or a folder with a DICOM series as HU in RAS+.

    Raises ScanError, which names the file or folder, if it cannot be used.
    """
    if not path.is_dir():
        return read_volume(path)
    from ldm.data.dicom.series import read_dicom_series  # pydicom takes half a second to import

    return read_dicom_series(path)


def scan_grid(path: Path) -> tuple[tuple[int, int, int], Affine]:
    """Return the shape and the affine of a scan in RAS+, without reading its voxels.

    Raises ScanError, which names the file or folder, if it cannot be used.
    """
    if path.is_dir():
        from ldm.data.dicom.series import read_dicom_grid  # as above

        return read_dicom_grid(path)
    header = read_header(path)
    affine = affine_mm(header)
    check_affine(affine)
    empty, affine = to_ras(np.broadcast_to(np.float32(0), header.get_data_shape()[:3]), affine)
    x, y, z = empty.shape
    return (x, y, z), affine
