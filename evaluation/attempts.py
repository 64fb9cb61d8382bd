"""Which volume a process was at when it died: tried once more, then recorded as failed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.json_file import read_object

MAX_ATTEMPTS = 2


class AttemptLog:
    """How often each volume of a set was begun and not ended, in a file that outlives a process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_given_up(self, name: str) -> bool:
        """Whether a volume has ended two processes: it is not tried again."""
        return self._begun().get(name, 0) >= MAX_ATTEMPTS

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Around the work on a volume; an exception ends it as well as success does."""
        begun = self._begun()
        self._write(begun | {name: begun.get(name, 0) + 1})
        try:
            yield
        finally:
            self._write({other: n for other, n in self._begun().items() if other != name})

    def _begun(self) -> dict[str, int]:
        begun = read_object(self._path) if self._path.is_file() else {}
        if not all(type(n) is int for n in begun.values()):
            raise InputError(f"{self._path} must hold numbers of attempts: remove it")
        return begun

    def _write(self, begun: dict[str, int]) -> None:
        if not begun:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(self._path) as file:
            file.write_text(json.dumps(begun))
