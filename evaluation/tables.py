"""Tables as CSV files."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from ldm.files.atomic_write import atomic_write


def write_table(path: Path, columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """A CSV file; under a temporary name first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file, file.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)
