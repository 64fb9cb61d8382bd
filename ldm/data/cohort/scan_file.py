"""Read a scan from a NIfTI file or from a folder with a DICOM series."""

from pathlib import Path

from ldm.data.geometry.volume import Volume, read_volume


def read_scan(path: Path) -> Volume:
    """Read a NIfTI file or a folder with a DICOM series as HU in RAS+.

    Raises ScanError, which names the file or folder, if it cannot be used.
    """
    if not path.is_dir():
        return read_volume(path)
    from ldm.data.dicom.series import read_dicom_series  # pydicom takes half a second to import

    return read_dicom_series(path)
