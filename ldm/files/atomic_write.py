"""Atomic writes: a reader finds the old file or the complete new one, never a part of it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary file to write, in the same folder and with the same suffix.

    It is renamed to ``path`` when the block ends. If the block raises, it is removed and ``path``
    stays as it was.
    """
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
