"""Record which volume a process was working on when it died, and give up after two attempts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.json_file import read_object

MAX_ATTEMPTS = 2


class AttemptLog:
    """Counts, for each volume of a set, how often work on it began but never ended.

    The counts are kept in a file, so that they survive the death of the process.

    Parameters
    ----------
    path
        File of the counts. It exists only while there are any.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_given_up(self, name: str) -> bool:
        """Return True if two processes have died while working on this volume."""
        return self._begun().get(name, 0) >= MAX_ATTEMPTS

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Count an attempt for the work inside the context.

        The work has ended when the context is left, by success or by an exception. The count then
        goes back to zero; it remains only if the process dies.
        """
        begun = self._begun()
        self._write(begun | {name: begun.get(name, 0) + 1})
        try:
            yield
        finally:
            self._write({other: n for other, n in self._begun().items() if other != name})

    def _begun(self) -> dict[str, int]:
        begun = read_object(self._path) if self._path.is_file() else {}
        if not all(type(n) is int for n in begun.values()):
            raise InputError(f"{self._path} must hold numbers of attempts", remedy="delete it")
        return begun

    def _write(self, begun: dict[str, int]) -> None:
        if not begun:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(self._path) as file:
            file.write_text(json.dumps(begun))
