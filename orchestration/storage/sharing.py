"""How the nodes of a sweep share its storage: a folder that all see, or a URL and mirrors of it.

Whatever runs on a node reads and writes files below its own storage folder. Where all nodes see
that folder, nothing else is to be done. Where the storage is a URL, the folder is the node's mirror
of it, and what another node needs is handed over: pushed when it is whole, fetched before it is
read. The URL is what counts: a file that is not there is not here either.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERYTHING = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFolder:
    """A folder that every node sees under one path: nothing is handed over, nothing copied."""

    def here(self, path: Path) -> Path:
        """Where this node has what another node has at ``path``."""
        return path

    def address(self, path: Path) -> str:
        """What another node finds a file or folder by; see ``place``."""
        return str(path)

    def shown(self, path: Path) -> str:
        """For people: its address; of a URL also where it lies on this node."""
        address = self.address(path)
        return address if address == str(path) else f"{address} (here: {path})"

    def place(self, address: str) -> Path:
        """Where this node has what lies at an address."""
        return Path(address)

    def push(self, *paths: Path) -> None:
        """Hand whole files over, in this order; returns when all are there."""

    def push_tree(self, folder: Path, *, to: Path | None = None, last: str = "") -> None:
        """Hand over what a folder has and others lack; ``last`` names the file that goes last."""

    def fetch(self, path: Path) -> bool:
        """Make a file what it is for all nodes, gone included; says whether it is there."""
        return path.is_file()

    def fetch_tree(
        self, folder: Path, *, to: Path | None = None, only: Sequence[str] = EVERYTHING
    ) -> None:
        """Fetch the files of a folder whose path in it matches a pattern; what is here stays."""

    def restore(self, folder: Path, *, only: Sequence[str], keep: Sequence[str] = ()) -> None:
        """Make a folder what it is for all nodes: as ``fetch_tree``, and what is gone goes.

        Nothing else may use the folder meanwhile. Of what only is here, ``keep`` stays.
        """

    def remove(self, path: Path) -> None:
        """Remove a file or a folder for all nodes; what is not there is fine."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def forget(self, folder: Path) -> None:
        """Remove what this node alone has of a folder that the URL lacks."""

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, sorted; none where it is not there."""
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def for_ray(self, folder: Path) -> dict[str, Any]:
        """The storage of a Ray run configuration."""
        return {"storage_path": str(folder)}

    def check(self, *, writes: bool) -> None:
        """Raises InputError unless this node can use the URL; a folder shows when it is used."""


SHARED_FOLDER = SharedFolder()


def fetched(path: Path, sharing: SharedFolder) -> Path:
    """Where this node has a file or folder, fetched if it lies in the storage."""
    here = sharing.here(path)
    if not sharing.fetch(here):
        sharing.fetch_tree(here)
    return here
