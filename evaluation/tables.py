"""Write tables as CSV files."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from ldm.files.atomic_write import atomic_write


def write_table(path: Path, columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with the names of the columns as its first line.

    Missing folders are made. The file appears under its name only when it is complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file, file.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)
