"""Name the scans that lie in a cohort's folder and are not used, because nothing lists them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ldm.data.cohort.permissions import is_open
from ldm.data.geometry.nifti_header import SUFFIXES

N_SHOWN = 3
IMAGE_FOLDERS = ("imagesTr", "imagesVal", "imagesTs")
# Endings of scans in other formats, in small letters. ".NII.GZ" in capitals is one of them.
IMAGE_ENDINGS = (*SUFFIXES, ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".mgz", ".dcm")
COUNTS = {"numTraining": ("training",), "numTest": ("test", "testing")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """Files or folders that are not used. ``what`` says which ones they are, for notes."""

    what: str
    paths: tuple[Path, ...]

    def note(self, root: Path, *, has_names: bool) -> str:
        """Return a note with their number, and with the names of the first 3 below ``root``."""
        names = [str(path.relative_to(root)) for path in self.paths[:N_SHOWN]]
        more = ", ..." if len(self.paths) > N_SHOWN else ""
        shown = f" ({', '.join(names)}{more})" if has_names else ""
        return f"{self.what}: {len(self.paths)}{shown}"


def notes_on(unused: Iterable[Unused], root: Path, *, has_names: bool) -> tuple[str, ...]:
    """Return a note for each kind of unused files of which there are any."""
    return tuple(one.note(root, has_names=has_names) for one in unused if one.paths)


def of_other_formats(folder: Path) -> Unused:
    """Return the scans directly in a folder whose names do not end in .nii or .nii.gz."""
    return Unused(
        what=f"scans in {folder.name} whose names do not end in {' or '.join(SUFFIXES)}, which are"
        " not used",
        paths=tuple(path for path in _scans_in(folder) if not path.name.endswith(SUFFIXES)),
    )


def not_listed(root: Path, listed: Sequence[Path], known: set[Path]) -> Iterator[Unused]:
    """Yield the scans in folders of images that are not among ``listed`` or ``known``.

    Folders of images are ``imagesTr`` and its like, and those that hold two images of ``listed`` or
    more. ``known`` are further files that have a use, such as masks.
    """
    n_listed = Counter(image.parent for image in set(listed))
    several = {folder for folder, n in n_listed.items() if n > 1}
    for folder in sorted({*several, *(root / name for name in IMAGE_FOLDERS)}):
        found = [path for path in _scans_in(folder) if path not in known | set(listed)]
        yield Unused(
            what=f"scans in {folder.name} that dataset.json does not list, which are not used",
            paths=tuple(found),
        )


def notes_on_lists(content: Mapping[str, object], names: Sequence[str]) -> Iterator[str]:
    """Yield notes on the lists in a ``dataset.json``: empty ones, further ones and wrong counts.

    ``names`` are those of the lists that are read.
    """
    for key, value in content.items():
        if key in names and not value and not isinstance(value, list):
            shown = json.dumps(value)
            yield f"dataset.json has {shown} under '{key}', which is read as an empty list"
        elif key not in names and isinstance(value, list) and value and all(map(_is_image, value)):
            yield f"scans that dataset.json lists under '{key}' are not used: {len(value)}"
    for key, lists in COUNTS.items():
        found = [entries for name in lists if isinstance(entries := content.get(name), list)]
        n_listed, said = sum(map(len, found)), content.get(key)
        if isinstance(said, int) and found and said != n_listed:
            yield f"dataset.json says {key} {said}, and lists {n_listed}"


def _is_image(entry: object) -> bool:
    if isinstance(entry, dict):
        return "image" in entry
    return isinstance(entry, str) and entry.lower().endswith(IMAGE_ENDINGS)


def _scans_in(folder: Path) -> list[Path]:
    """Return the files directly in a folder that have the ending of a scan, sorted by name."""
    if not is_open(folder):
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.lower().endswith(IMAGE_ENDINGS) and not path.name.startswith(".")
    )
