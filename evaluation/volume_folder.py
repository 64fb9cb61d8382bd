"""Read the NIfTI volumes of a folder one at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ldm.data.cohort.case import Case
from ldm.data.cohort.cohort import Exclusion
from ldm.data.cohort.pseudonyms import known_as, without_names
from ldm.data.cohort.task07 import case_id_of
from ldm.data.geometry.hounsfield import (
    HuFaultKind,
    hu_fault,
    require_finite,
    require_hu,
)
from ldm.data.geometry.hu_shares import hu_shares
from ldm.data.geometry.nifti_header import SUFFIXES
from ldm.data.geometry.volume import Volume, read_volume
from ldm.errors import InputError, ScanError

N_REASONS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RealFiles:
    """The NIfTI files of a folder of real scans.

    Attributes
    ----------
    usable
        The files that can be used, sorted by name.
    exclusions
        The other files, each with the reason why it cannot be used.
    """

    usable: tuple[Path, ...]
    exclusions: tuple[Exclusion, ...]


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
    """Return the NIfTI files directly in a folder, sorted by name. Empty if there is none.

    A suffix in capitals, which no file may have, is found too, so that reading the file says so.
    """
    return sorted(path for path in folder.glob("[!.]*") if path.name.lower().endswith(SUFFIXES))


def real_files(folder: Path, salt: bytes | None = None) -> RealFiles:
    """Read each real scan in a folder once, and leave out those that cannot be used.

    With ``salt``, scans are named by salted hashes, and the reasons name no file. Raises InputError
    if the folder has no NIfTI file, or none that can be used.
    """
    usable, exclusions = [], []
    for path in nifti_files(folder):
        try:
            _read_real(path)
        except ScanError as error:
            case = Case(case_id=known_as(case_id_of(path), salt), image=path, mask=None)
            reason = str(error) if salt is None else without_names(str(error), case)
            exclusions.append(Exclusion(case_id=case.case_id, reason=reason))
        else:
            usable.append(path)
    if not usable:
        raise InputError(
            "at least one real scan must be usable",
            seen=f"{known_as(folder.name, salt)} has none of {len(exclusions)}",
            remedy="repair them, or name another folder",
            details=[f"{one.case_id}: {one.reason}" for one in exclusions[:N_REASONS_SHOWN]],
        )
    return RealFiles(usable=tuple(usable), exclusions=tuple(exclusions))


def real_volumes(files: Iterable[Path], salt: bytes | None = None) -> Iterator[tuple[str, Volume]]:
    """Yield the name and the volume of each real scan, reading one at a time.

    The name is the stem of the NIfTI file, or with ``salt`` its salted hash. Raises ScanError for a
    scan that cannot be used, for example because its values are not HU.
    """
    for path in files:
        yield known_as(case_id_of(path), salt), _read_real(path)


def _read_real(path: Path) -> Volume:
    volume = _read(path)
    require_finite(volume.array, path)
    require_hu(volume.array, path)
    return volume


def _read(path: Path) -> Volume:
    """Read a NIfTI file. Raises ScanError if it cannot be read or its suffix is in capitals."""
    if not path.name.endswith(SUFFIXES):
        raise ScanError(
            "the name of a NIfTI file ends in .nii or .nii.gz, in lower case",
            seen=f"{path} does not",
            remedy="rename it",
        )
    return read_volume(path)


def sample_volumes(folder: Path) -> Iterator[tuple[str, Volume]]:
    """Yield the name and the volume of each generated NIfTI file, reading one at a time.

    A poor model may generate any HU, so only values that were scaled for display or for training
    raise ScanError. Whether they are finite is not checked here.
    """
    for path in nifti_files(folder):
        volume = _read(path)
        fault = hu_fault(hu_shares(volume.array))
        if fault is not None and fault.kind in (HuFaultKind.SCALED, HuFaultKind.PICTURE):
            raise ScanError(
                "samples must be in HU",
                seen=f"{path} has {fault.seen}, like {fault.kind}",
                remedy="scale the samples back before you write them",
            )
        yield case_id_of(path), volume
