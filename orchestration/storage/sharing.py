"""How the nodes of a sweep share the files of its storage.

The storage is either a folder that every node sees, or a URL. All code reads and writes files in
the storage folder of its node. If every node sees this folder, nothing else is needed
(``SharedFolder``). If the storage is a URL, the folder is the node's own mirror of it
(``orchestration.storage.mirror``): a node pushes a complete file to the URL if other nodes need it,
and fetches a file of another node before reading it. The URL has the final say: a file that was
removed there is removed from a mirror too.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERYTHING = ("*",)


class Sharing(ABC):
    """How this node exchanges files with the other nodes.

    Nodes may keep their mirrors at different places. Every method also takes the path of a file in
    the mirror of another node, and uses this node's copy of that file.
    """

    __slots__ = ()

    @abstractmethod
    def here(self, path: Path) -> Path:
        """Return where this node keeps a file that another node keeps at ``path``.

        Nothing is downloaded, so the file may not exist here yet. A path outside of the storage is
        returned as it is.
        """

    @abstractmethod
    def address(self, path: Path) -> str:
        """Return the path or URL under which every node finds a file or folder.

        ``place`` is the inverse.
        """

    @abstractmethod
    def place(self, address: str) -> Path:
        """Return where this node keeps the file or folder at an address.

        Nothing is downloaded, so it may not exist here yet.
        """

    def shown(self, path: Path) -> str:
        """Return the address as shown to people. For a URL, the path on this node is added."""
        address = self.address(path)
        return address if address == str(path) else f"{address} (here: {path})"

    @abstractmethod
    def push(self, *paths: Path) -> None:
        """Make files visible to all nodes, one after the other. Returns when all are visible."""

    @abstractmethod
    def push_tree(self, folder: Path, *, to: Path | None = None, last: str = "") -> None:
        """Make all new and changed files of a folder visible to all nodes.

        They become visible in the folder ``to``, by default in ``folder`` itself. The file with the
        relative path ``last`` is pushed after all others. Names that begin with a dot stay on this
        node.
        """

    @abstractmethod
    def fetch(self, path: Path) -> bool:
        """Download the shared copy of a file, or delete the local one if the shared copy is gone.

        A local file that was never pushed is deleted too. Returns whether the file now exists.
        """

    @abstractmethod
    def fetch_tree(
        self, folder: Path, *, to: Path | None = None, only: Sequence[str] = EVERYTHING
    ) -> None:
        """Download the new and changed files of a folder that match a pattern in ``only``.

        The files are written into ``to``, by default into ``folder`` itself. Patterns are compared
        with paths relative to the folder, and ``*`` also matches slashes. Files that exist on this
        node alone stay.
        """

    @abstractmethod
    def restore(self, folder: Path, *, only: Sequence[str], keep: Sequence[str] = ()) -> None:
        """Fetch files as ``fetch_tree`` does, and delete all files that exist on this node alone.

        The deletion is not limited to files that match ``only``. Files in ``keep``, which are exact
        paths relative to the folder, and names that begin with a dot stay. Nothing else may use the
        folder meanwhile.
        """

    @abstractmethod
    def remove(self, path: Path) -> None:
        """Remove a file or a folder here and at the URL. Does nothing if it does not exist.

        Another node removes its own copy the next time it fetches the file or the folder.
        """

    @abstractmethod
    def forget(self, folder: Path) -> None:
        """Remove this node's copy of a folder. The files at the URL stay."""

    @abstractmethod
    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in a folder. Empty if it does not exist."""

    @abstractmethod
    def for_ray(self, folder: Path) -> dict[str, Any]:
        """Return arguments of a Ray run configuration that make Ray store into this folder."""

    @abstractmethod
    def check(self, *, writes: bool) -> None:
        """Raise InputError unless this node can read the URL and, with ``writes``, write to it.

        A folder is not checked: an error shows when it is used.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFolder(Sharing):
    """A storage that every node sees as a folder under the same path, so nothing is copied."""

    def here(self, path: Path) -> Path:
        """Return the path itself."""
        return path

    def address(self, path: Path) -> str:
        """Return the path itself."""
        return str(path)

    def place(self, address: str) -> Path:
        """Return the address itself, which is a path."""
        return Path(address)

    def push(self, *paths: Path) -> None:
        """Do nothing: all nodes see the files already."""

    def push_tree(self, folder: Path, *, to: Path | None = None, last: str = "") -> None:
        """Do nothing: all nodes see the files already."""

    def fetch(self, path: Path) -> bool:
        """Return whether the file exists."""
        return path.is_file()

    def fetch_tree(
        self, folder: Path, *, to: Path | None = None, only: Sequence[str] = EVERYTHING
    ) -> None:
        """Do nothing: this node sees the files already."""

    def restore(self, folder: Path, *, only: Sequence[str], keep: Sequence[str] = ()) -> None:
        """Do nothing: the folder is the same for all nodes."""

    def remove(self, path: Path) -> None:
        """Remove the file or folder."""
        remove_here(path)

    def forget(self, folder: Path) -> None:
        """Do nothing: this node has no copy of its own."""

    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in the folder. Empty if it does not exist."""
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def for_ray(self, folder: Path) -> dict[str, Any]:
        """Return the folder as Ray's storage path."""
        return {"storage_path": str(folder)}

    def check(self, *, writes: bool) -> None:
        """Do nothing: an error shows when the folder is used."""


SHARED_FOLDER = SharedFolder()


def remove_here(path: Path) -> None:
    """Remove a file, a link or a folder of this node. Does nothing if it does not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def fetched(path: Path, sharing: Sharing) -> Path:
    """Fetch a file or folder, and return its path on this node.

    Outside of the storage, nothing is fetched and the path is returned as it is.
    """
    here = sharing.here(path)
    if not sharing.fetch(here):
        sharing.fetch_tree(here)
    return here
