"""How the nodes of a sweep share its storage: a folder that all see, or a URL and mirrors of it.

Whatever runs on a node reads and writes files below its own storage folder. Where all nodes see
that folder, nothing else is to be done. Where the storage is a URL, the folder is the node's mirror
of it, and what another node needs is handed over: pushed when it is whole, fetched before it is
read. The URL is what counts: a file that is not there is not here either.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from platformdirs import user_cache_path

from ldm.fingerprints import digest
from ldm.whole_file import whole
from orchestration.object_store import ObjectStore, is_url, object_store

MIRRORS_VARIABLE = "PANCREATUNE_MIRRORS"
N_TRANSFERS = 8  # at once
CHUNK_BYTES = 2**23
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

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, sorted; none where it is not there."""
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def for_ray(self, folder: Path) -> dict[str, Any]:
        """The storage of a Ray run configuration."""
        return {"storage_path": str(folder)}

    def check(self, *, writes: bool) -> None:
        """Raises InputError unless this node can use the URL; a folder shows when it is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror(SharedFolder):
    """This node's copy of what it needs of a URL.

    A file is here as it is there if size and time agree: each transfer sets the time.
    """

    store: ObjectStore

    @property
    def name(self) -> str:
        """The same on every node: paths of different nodes are told by it."""
        return f"mirror-{digest(f'{self.store.endpoint} {self.store.url}')}"

    @property
    def folder(self) -> Path:
        """This node's own; two on one machine are told apart by PANCREATUNE_MIRRORS."""
        root = os.environ.get(MIRRORS_VARIABLE) or user_cache_path("pancreatune") / "mirrors"
        return Path(root).absolute() / self.name

    def here(self, path: Path) -> Path:
        """Where this node has what another node has at ``path``, which may lie outside."""
        relative = self._relative(path)
        return path if relative is None else self.folder / relative

    def address(self, path: Path) -> str:
        """Its URL, if it is in the mirror."""
        relative = self._relative(path)
        return str(path) if relative is None else f"{self.store.url}/{relative}".rstrip("/")

    def place(self, address: str) -> Path:
        """Where this node has, or will have, what lies at a URL."""
        if not address.startswith(f"{self.store.url}/"):
            return Path(address)
        return self.folder / address.removeprefix(f"{self.store.url}/")

    def push(self, *paths: Path) -> None:
        """Hand whole files over, in this order; returns when all are there."""
        for path in paths:
            self._upload(path, self._key(path))

    def push_tree(self, folder: Path, *, to: Path | None = None, last: str = "") -> None:
        """Hand over what a folder has and the URL lacks; names with a dot in front stay here."""
        there = self._objects(to or folder)
        waiting = [
            (path, f"{self._key(to or folder)}/{name}")
            for name, path in _files(folder)
            if not _is_same(path, there.get(name))
        ]
        ends = [pair for pair in waiting if pair[0] == folder / last]
        _at_once(self._upload, [pair for pair in waiting if pair not in ends])
        _at_once(self._upload, ends)

    def fetch(self, path: Path) -> bool:
        """Make a file what it is at the URL, gone included; outside of the mirror, leave it."""
        if self._relative(path) is None:
            return path.is_file()
        info = self._filesystem.get_file_info(self._key(path))
        if not info.is_file:
            path.unlink(missing_ok=True)
        elif not _is_same(path, info):
            self._download(info, path)
        return bool(info.is_file)

    def fetch_tree(
        self, folder: Path, *, to: Path | None = None, only: Sequence[str] = EVERYTHING
    ) -> None:
        """Fetch what is not here as it is there; what only is here stays."""
        if self._relative(folder) is None:
            return
        wanted = [
            (info, (to or folder) / name)
            for name, info in self._objects(folder).items()
            if any(fnmatch(name, pattern) for pattern in only)
        ]
        _at_once(self._download, [pair for pair in wanted if not _is_same(pair[1], pair[0])])

    def names(self, folder: Path) -> list[str]:
        """The names in a folder at the URL, sorted."""
        from pyarrow import fs

        selector = fs.FileSelector(self._key(folder), recursive=False, allow_not_found=True)
        return sorted(info.base_name for info in self._filesystem.get_file_info(selector))

    def for_ray(self, folder: Path) -> dict[str, Any]:
        """Ray keeps its state and the checkpoints at the URL itself."""
        return {"storage_path": self._key(folder), "storage_filesystem": self._filesystem}

    def check(self, *, writes: bool) -> None:
        """Raises InputError unless this node can list what lies at the URL, or also write."""
        self.store.check(writes=writes)

    @property
    def _filesystem(self) -> Any:
        return self.store.filesystem

    def _relative(self, path: Path) -> PurePosixPath | None:
        """The path below the mirror's folder, whichever node's; None outside of it."""
        if self.name not in path.parts:
            return None
        return PurePosixPath(*path.parts[path.parts.index(self.name) + 1 :])

    def _key(self, path: Path) -> str:
        relative = self._relative(path)
        assert relative is not None, f"{path} is not in {self.name}"
        return self.store.key("" if relative == PurePosixPath() else str(relative))

    def _objects(self, folder: Path) -> dict[str, Any]:
        """What lies below a folder at the URL, by the path in it."""
        from pyarrow import fs

        key = self._key(folder)
        selector = fs.FileSelector(key, recursive=True, allow_not_found=True)
        found = self._filesystem.get_file_info(selector)
        return {info.path.removeprefix(f"{key}/"): info for info in found if info.is_file}

    def _upload(self, path: Path, key: str) -> None:
        # Not by pyarrow's copy_files: a write that the server refuses at the end passes for done.
        with path.open("rb") as source, self._filesystem.open_output_stream(key) as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)
        info = self._filesystem.get_file_info(key)
        if info.size != path.stat().st_size:
            raise OSError(f"{path} has {path.stat().st_size} bytes, {key} has {info.size}")
        _set_time(path, info)

    def _download(self, info: Any, path: Path) -> None:
        from pyarrow import fs

        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as file:
            fs.copy_files(
                info.path,
                str(file),
                source_filesystem=self._filesystem,
                destination_filesystem=fs.LocalFileSystem(),
            )
            _set_time(file, info)


def sharing_of(storage: str) -> SharedFolder:
    """What a ``--storage`` asks for; raises InputError for a URL that cannot be one."""
    return Mirror(store=object_store(storage)) if is_url(storage) else SharedFolder()


def folder_of(storage: str) -> Path:
    """The absolute folder in which this node keeps a ``--storage``."""
    sharing = sharing_of(storage)
    return sharing.folder if isinstance(sharing, Mirror) else Path(storage).expanduser().absolute()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            yield relative.as_posix(), path


def _is_same(path: Path, info: Any) -> bool:
    if info is None or not path.is_file():
        return False
    seen = path.stat()
    return bool(seen.st_size == info.size and int(seen.st_mtime) == int(info.mtime_ns / 1e9))


def _set_time(path: Path, info: Any) -> None:
    seconds = int(info.mtime_ns / 1e9)
    os.utime(path, (seconds, seconds))


def _at_once(transfer: Any, pairs: list[Any]) -> None:
    with ThreadPoolExecutor(N_TRANSFERS) as threads:
        for _ in threads.map(lambda pair: transfer(*pair), pairs):
            pass
