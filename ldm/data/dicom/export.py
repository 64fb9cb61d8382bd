"""Walk through an export of DICOM series: its folders, and what each of their files is."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ldm.data.dicom.file_kind import FileKind, unreadable
from ldm.data.dicom.folder import SUFFIXES, kinds_in, lost_error
from ldm.errors import ScanError

# Folders that no user made: of deleted files, of thumbnails, and of what a disk check found.
SYSTEM_FOLDERS = frozenset(
    {"$RECYCLE.BIN", "#recycle", "System Volume Information", "@eaDir", "lost+found", "__MACOSX"}
)
MIN_SLICES = 2  # of a series


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The folders of an export.

    Attributes
    ----------
    files
        What each file is, by its folder. Files whose names begin with a dot are left out.
    unreadable
        The error of each folder that cannot be read, or that holds a file that cannot be read.
    hidden
        Hidden folders, which are not read: their names begin with a dot, or are those that
        operating systems give.
    links
        Links to folders that are not followed: those that do not lie directly in the export, and
        those that lead to a folder that is read already or that holds the export.
    """

    files: dict[Path, dict[Path, FileKind]]
    unreadable: dict[Path, ScanError]
    hidden: tuple[Path, ...]
    links: tuple[Path, ...]

    def folders_of(self, kind: FileKind) -> list[Path]:
        """Return the folders that directly hold a file of a kind, sorted."""
        return sorted(folder for folder, kinds in self.files.items() if kind in kinds.values())

    def files_of(self, kind: FileKind) -> list[Path]:
        """Return the files of a kind, sorted."""
        return sorted(
            path for kinds in self.files.values() for path, found in kinds.items() if found is kind
        )

    def lost_series(self) -> dict[Path, ScanError]:
        """Return the error of each folder that may have been a series, by the folder.

        It holds two or more files that are named as slices are, and all have lost their content.
        """
        errors = {}
        for folder in self.folders_of(FileKind.LOST):
            kinds = self.files[folder]
            is_series = all(path.suffix.lower() in ("", *SUFFIXES) for path in kinds)
            if len(kinds) >= MIN_SLICES and is_series and set(kinds.values()) == {FileKind.LOST}:
                errors[folder] = lost_error(sorted(kinds))
        return errors


def read_export(root: Path) -> Export:
    """Walk through the folders at and below ``root``.

    Links to folders are followed if they lie directly in ``root``, where the user made them; they
    may lead to another disk. No folder is read twice. Raises ScanError if ``root`` cannot be read.
    """
    walk = _Walk()
    walk.read(root)
    if root in walk.unreadable:
        raise walk.unreadable[root]
    found, walk.links = sorted(walk.links), []
    for link in found:
        target = link.resolve()
        holds_root = root.resolve().is_relative_to(target)
        if link.parent == root and target not in walk.read_already and not holds_root:
            walk.read(link)
        else:
            walk.links.append(link)
    return Export(
        files=walk.files,
        unreadable=walk.unreadable,
        hidden=tuple(walk.hidden),
        links=tuple(walk.links),
    )


@dataclass(slots=True, kw_only=True)
class _Walk:
    """What was found so far, as in ``Export``, and which folders were read, without links."""

    files: dict[Path, dict[Path, FileKind]] = field(default_factory=dict)
    unreadable: dict[Path, ScanError] = field(default_factory=dict)
    hidden: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    read_already: set[Path] = field(default_factory=set)

    def read(self, top: Path) -> None:
        """Read the folders at and below ``top``, and remember the links in them."""
        for name, names, _ in os.walk(top, onerror=self._note_unreadable):
            folder = Path(name)
            place = folder.resolve()
            if place in self.read_already:
                names.clear()
                continue
            self.read_already.add(place)
            shown = [name for name in names if not _is_hidden(name)]
            self.hidden += [folder / name for name in names if _is_hidden(name)]
            self.links += [folder / name for name in shown if (folder / name).is_symlink()]
            names[:] = [name for name in shown if not (folder / name).is_symlink()]
            try:
                self.files[folder] = kinds_in(folder)
            except ScanError as error:
                self.unreadable[folder] = error

    def _note_unreadable(self, error: OSError) -> None:
        self.unreadable[Path(error.filename)] = unreadable(error)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_FOLDERS
