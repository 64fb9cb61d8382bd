"""A scan as hospitals and archives have it: a NIfTI file, or a folder with a DICOM series."""

from pathlib import Path

from ldm.data.dicom.series import read_dicom_series
from ldm.data.geometry.volume import Volume, read_volume


def read_scan(path: Path) -> Volume:
    """Read a scan of either kind as HU in RAS+; raises ScanError naming the file or folder."""
    return read_dicom_series(path) if path.is_dir() else read_volume(path)
