"""Find series whose slices lie in several folders, so that each folder holds only a part.

CD exports put so many files into each folder, whatever series they belong to.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from ldm.errors import ScanError

Position: TypeAlias = tuple[float, ...]
Positions: TypeAlias = frozenset[Position]

HEAD_BYTES = 8192  # the UID of the series comes after some tags of the scanner's maker
SERIES_UID = re.compile(rb"\x20\x00\x0e\x00.{4}([0-9.]{1,64})", re.DOTALL)
N_SHOWN = 3


def parts_of_series(slices: Mapping[Path, Sequence[Path]]) -> dict[Path, ScanError]:
    """Return the error of each folder that holds only a part of a series, by the folder.

    ``slices`` are the slices in each folder of an export. A series is known by its PatientID and
    its SeriesInstanceUID. A folder is whole if it has all positions of the series: of two copies
    both are whole, and of a copy of some slices the rest is.
    """
    errors: dict[Path, ScanError] = {}
    for found in _positions(slices).values():
        everywhere = Positions().union(*found.values())
        for folder, here in found.items():
            if here != everywhere:
                others = [str(other) for other in found if other != folder]
                more = ", ..." if len(others) > N_SHOWN else ""
                errors[folder] = ScanError(
                    "a series lies in one folder",
                    seen=f"{folder} has {len(here)} of its {len(everywhere)} slices, others lie in"
                    f" {', '.join(others[:N_SHOWN])}{more}",
                    remedy="move all of them into one folder",
                )
    return errors


def _positions(
    slices: Mapping[Path, Sequence[Path]],
) -> dict[tuple[str, str], dict[Path, Positions]]:
    """Return where each series has slices, by its patient and UID and then by the folder.

    Only series that may lie in several folders are read. Files that cannot be read are left out,
    because their folder is refused with that reason.
    """
    folders_of: dict[bytes, set[Path]] = defaultdict(set)
    for folder, files in slices.items():
        for uid in {uid for file in files for uid in _uids_in_head(file)}:
            folders_of[uid].add(folder)
    shared = {folder for found in folders_of.values() if len(found) > 1 for folder in found}
    places: dict[tuple[str, str], dict[Path, set[Position]]] = defaultdict(lambda: defaultdict(set))
    for folder, key, position in _headers(slices, sorted(shared)):
        places[key][folder].add(position)
    return {
        key: {folder: frozenset(positions) for folder, positions in found.items()}
        for key, found in places.items()
        if len(found) > 1
    }


def _uids_in_head(file: Path) -> set[bytes]:
    """Return the SeriesInstanceUIDs in the first bytes of a file, those of other series included.

    A slice may name the series that it was planned on.
    """
    with file.open("rb") as stream:
        return set(SERIES_UID.findall(stream.read(HEAD_BYTES)))


def _headers(
    slices: Mapping[Path, Sequence[Path]], folders: Sequence[Path]
) -> Iterator[tuple[Path, tuple[str, str], Position]]:
    """Yield the folder, the patient and series, and the position of each slice."""
    if not folders:
        return
    from ldm.data.dicom.slice_file import read_slice_header  # pydicom takes half a second

    for folder in folders:
        for file in slices[folder]:
            try:
                tags = read_slice_header(file).tags
            except ScanError:
                continue
            key = (tags["PatientID"], tags["SeriesInstanceUID"])
            if key[1] and tags["ImagePositionPatient"]:
                yield folder, key, _position_mm(tags["ImagePositionPatient"])


def _position_mm(text: str) -> Position:
    """Return a position as programs may write it in different ways. Empty if it is no position."""
    try:
        return tuple(round(float(number), 2) for number in text.split("\\"))
    except ValueError:
        return ()
