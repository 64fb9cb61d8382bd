"""Read the NIfTI volumes of a folder one at a time."""

from collections.abc import Iterator
from pathlib import Path

from ldm.data.cohort.pseudonyms import known_as
from ldm.data.cohort.task07 import case_id_of
from ldm.data.geometry.hounsfield import (
    HuFaultKind,
    hu_fault,
    hu_shares,
    require_finite,
    require_hu,
)
from ldm.data.geometry.nifti_header import SUFFIXES
from ldm.data.geometry.volume import Volume, read_volume
from ldm.errors import InputError, ScanError


def nifti_files(folder: Path) -> list[Path]:
    """Return the NIfTI files directly in a folder, sorted by name.

    Raises InputError if there is none.
    """
    files = find_nifti_files(folder)
    if not files:
        raise InputError(
            "volumes are NIfTI files (.nii, .nii.gz) directly in a folder",
            seen=f"{folder} has none",
            remedy="name the folder that holds them",
        )
    return files


def find_nifti_files(folder: Path) -> list[Path]:
    """Return the NIfTI files directly in a folder, sorted by name. Empty if there is none."""
    return sorted(path for path in folder.glob("[!.]*.nii*") if path.name.endswith(SUFFIXES))


def real_volumes(folder: Path, salt: bytes | None = None) -> Iterator[tuple[str, Volume]]:
    """Yield the name and the volume of each real scan in a folder, reading one at a time.

    The scans are NIfTI files. The name is the stem of the file, or with ``salt`` its salted hash.
    Raises ScanError for a scan whose values are not HU.
    """
    for path in nifti_files(folder):
        volume = read_volume(path)
        require_finite(volume.array, path)
        require_hu(volume.array, path)
        yield known_as(case_id_of(path), salt), volume


def sample_volumes(folder: Path) -> Iterator[tuple[str, Volume]]:
    """Yield the name and the volume of each generated NIfTI file, reading one at a time.

    A poor model may generate any HU, so only values that were scaled for display or for training
    raise ScanError. Whether they are finite is not checked here.
    """
    for path in nifti_files(folder):
        volume = read_volume(path)
        fault = hu_fault(hu_shares(volume.array))
        if fault is not None and fault.kind in (HuFaultKind.SCALED, HuFaultKind.PICTURE):
            raise ScanError(
                "samples must be in HU",
                seen=f"{path} has {fault.seen}, like {fault.kind}",
                remedy="scale the samples back before you write them",
            )
        yield case_id_of(path), volume
