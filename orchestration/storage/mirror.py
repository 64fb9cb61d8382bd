"""A node's mirror of a URL: a local folder with the files that the node wrote or downloaded."""

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from platformdirs import user_cache_path

from ldm.files.atomic_write import atomic_write
from ldm.fingerprints import digest
from orchestration.storage.object_store import ObjectStore, is_url, object_store
from orchestration.storage.sharing import EVERYTHING, SHARED_FOLDER, Sharing, remove_here

MIRRORS_VARIABLE = "PANCREATUNE_MIRRORS"
N_TRANSFERS = 8  # transfers at the same time
CHUNK_BYTES = 2**23


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlMirror(Sharing):
    """A folder on this node with copies of those files at a URL that the node needs.

    A copy is up to date if its size and modification time equal those at the URL. Each transfer
    sets the time of the local file.
    """

    store: ObjectStore

    @property
    def name(self) -> str:
        """Return the name of the mirror's folder.

        It is the same on all nodes, so it marks the paths in their mirrors.
        """
        return f"mirror-{digest(f'{self.store.endpoint} {self.store.url}')}"

    @property
    def folder(self) -> Path:
        """Return the mirror's folder on this node.

        Several nodes on one machine need different folders: set PANCREATUNE_MIRRORS.
        """
        root = os.environ.get(MIRRORS_VARIABLE) or user_cache_path("pancreatune") / "mirrors"
        return Path(root).absolute() / self.name

    def here(self, path: Path) -> Path:
        """Return where this node's mirror keeps a file that another node's mirror has at ``path``.

        A path outside of the mirror is returned as it is.
        """
        relative = self._relative(path)
        return path if relative is None else self.folder / relative

    def address(self, path: Path) -> str:
        """Return the URL of a file in the mirror. A path outside of it is returned as it is."""
        relative = self._relative(path)
        return str(path) if relative is None else f"{self.store.url}/{relative}".rstrip("/")

    def place(self, address: str) -> Path:
        """Return where this node's mirror keeps a file at a URL. The file may not exist here yet.

        An address that is not in the URL of the mirror is returned as a path.
        """
        if not address.startswith(f"{self.store.url}/"):
            return Path(address)
        return self.folder / address.removeprefix(f"{self.store.url}/")

    def push(self, *paths: Path) -> None:
        """Upload files, one after the other. Returns when all are at the URL."""
        for path in paths:
            self._upload(path, self._key(path))

    def push_tree(self, folder: Path, *, to: Path | None = None, last: str = "") -> None:
        """Upload all new and changed files of a folder, except names that begin with a dot.

        They are uploaded to the URL of the folder ``to``, by default to that of ``folder`` itself.
        The file with the relative path ``last`` is uploaded after all others.
        """
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
        """Download a file if it has changed, or delete the copy if it is gone from the URL.

        A copy that was never uploaded is deleted too. Returns whether the file now exists. A file
        outside of the mirror is left alone.
        """
        if self._relative(path) is None:
            return path.is_file()
        info = self._filesystem.get_file_info(self._key(path))
        if not info.is_file and path.is_file():
            path.unlink()
        if info.is_file and not _is_same(path, info):
            self._download(info, path)
        return bool(info.is_file)

    def fetch_tree(
        self, folder: Path, *, to: Path | None = None, only: Sequence[str] = EVERYTHING
    ) -> None:
        """Download all new and changed files that match ``only``. No local file is deleted.

        The files are written into ``to``, by default into ``folder`` itself. ``only`` holds
        patterns for paths relative to the folder, in which ``*`` also matches slashes. Does nothing
        if the folder is outside of the mirror.
        """
        if self._relative(folder) is None:
            return
        wanted = [
            (info, (to or folder) / name)
            for name, info in self._objects(folder).items()
            if any(fnmatch(name, pattern) for pattern in only)
        ]
        _at_once(self._download, [pair for pair in wanted if not _is_same(pair[1], pair[0])])

    def restore(self, folder: Path, *, only: Sequence[str], keep: Sequence[str] = ()) -> None:
        """Download new and changed files that match ``only``, and delete files that the URL lacks.

        ``only`` holds patterns, as in ``fetch_tree``. The deletion is not limited to them: it
        affects every local file in the folder that is not at the URL. Exceptions are the files in
        ``keep`` (exact paths relative to the folder, not patterns) and all names that begin with a
        dot. Nothing else may use the folder meanwhile.
        """
        there = self._objects(folder)
        for name, path in list(_files(folder)):
            if name not in there and name not in keep:
                path.unlink()
        self.fetch_tree(folder, only=only)

    def remove(self, path: Path) -> None:
        """Remove a file or a folder at the URL, and this node's copy."""
        from pyarrow import fs

        info = self._filesystem.get_file_info(self._key(path))
        if info.is_file:
            self._filesystem.delete_file(info.path)
        elif info.type == fs.FileType.Directory:
            self._filesystem.delete_dir(info.path)
        remove_here(path)

    def forget(self, folder: Path) -> None:
        """Remove this node's copy of a folder. The files at the URL stay."""
        shutil.rmtree(folder, ignore_errors=True)

    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in a folder at the URL. Empty if it does not exist."""
        from pyarrow import fs

        selector = fs.FileSelector(self._key(folder), recursive=False, allow_not_found=True)
        return sorted(info.base_name for info in self._filesystem.get_file_info(selector))

    def for_ray(self, folder: Path) -> dict[str, Any]:
        """Return arguments of a Ray run configuration.

        They make Ray store its state and checkpoints at the URL of the folder directly.
        """
        return {"storage_path": self._key(folder), "storage_filesystem": self._filesystem}

    def check(self, *, writes: bool) -> None:
        """Raise InputError unless this node can list the URL and, with ``writes``, write to it."""
        self.store.check(writes=writes)

    @property
    def _filesystem(self) -> Any:
        return self.store.filesystem

    def _relative(self, path: Path) -> PurePosixPath | None:
        """Return the path relative to the mirror's folder of any node, or None outside of it."""
        if self.name not in path.parts:
            return None
        return PurePosixPath(*path.parts[path.parts.index(self.name) + 1 :])

    def _key(self, path: Path) -> str:
        relative = self._relative(path)
        assert relative is not None, f"{path} is not in {self.name}"
        return self.store.key("" if relative == PurePosixPath() else str(relative))

    def _objects(self, folder: Path) -> dict[str, Any]:
        """Return all objects in a folder at the URL, by their path relative to it."""
        from pyarrow import fs

        key = self._key(folder)
        selector = fs.FileSelector(key, recursive=True, allow_not_found=True)
        found = self._filesystem.get_file_info(selector)
        return {info.path.removeprefix(f"{key}/"): info for info in found if info.is_file}

    def _upload(self, path: Path, key: str) -> None:
        # pyarrow's copy_files does not notice if the server refuses a write at its end.
        # compression=None: by default pyarrow would compress files named .gz once more.
        target = self._filesystem.open_output_stream(key, compression=None)
        with path.open("rb") as source, target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)
            n_bytes = source.tell()  # not the file's size, because a log may have grown meanwhile
        info = self._filesystem.get_file_info(key)
        if info.size != n_bytes:
            raise OSError(f"uploaded {n_bytes} bytes of {path}, but {key} has {info.size} bytes")
        _set_time(path, info)

    def _download(self, info: Any, path: Path) -> None:
        from pyarrow import fs

        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            fs.copy_files(
                info.path,
                str(file),
                source_filesystem=self._filesystem,
                destination_filesystem=fs.LocalFileSystem(),
            )
            _set_time(file, info)


def url_of(sharing: Sharing) -> str:
    """Return the URL of a mirror, or "" for a shared folder."""
    return sharing.store.url if isinstance(sharing, UrlMirror) else ""


def sharing_of(storage: str) -> Sharing:
    """Return how nodes share the files of a ``--storage``. Raises InputError for an invalid URL."""
    return UrlMirror(store=object_store(storage)) if is_url(storage) else SHARED_FOLDER


def folder_of(storage: str) -> Path:
    """Return the absolute path of the folder in which this node keeps a ``--storage``.

    Raises InputError for an invalid URL.
    """
    sharing = sharing_of(storage)
    return (
        sharing.folder if isinstance(sharing, UrlMirror) else Path(storage).expanduser().absolute()
    )


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
