"""Read the NIfTI volumes of a folder one at a time."""

from collections.abc import Iterator
from pathlib import Path

from ldm.data.cohort.pseudonyms import known_as
from ldm.data.cohort.task07 import case_id_of
from ldm.data.geometry.volume import Volume, read_volume
from ldm.errors import InputError


def nifti_files(folder: Path) -> list[Path]:
    """Return the NIfTI files directly in a folder, sorted by name.

    Raises InputError if there is none.
    """
    files = sorted(
        path for path in folder.glob("[!.]*.nii*") if path.name.endswith((".nii", ".nii.gz"))
    )
    if not files:
        raise InputError(
            "volumes are NIfTI files (.nii, .nii.gz) directly in a folder",
            seen=f"{folder} has none",
            remedy="name the folder that holds them",
        )
    return files


def volumes_in(folder: Path, salt: bytes | None = None) -> Iterator[tuple[str, Volume]]:
    """Yield the name and the volume of each NIfTI file in a folder, reading one at a time.

    The name is the stem of the file, or with ``salt`` its salted hash.
    """
    for path in nifti_files(folder):
        yield known_as(case_id_of(path), salt), read_volume(path)
