"""Keep records for MLflow in a file until they are sent."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.dataclass_json import from_dict, to_dict
from ldm.files.json_file import read_json
from ldm.files.json_lines import append_line, read_complete_lines

RECORDS, SENT = "outbox.jsonl", "outbox.sent"
SWEEP = "sweep"  # the key of the parent run


class RecordKind(StrEnum):
    """What a record tells MLflow about its run."""

    START = "start"
    PARAMS = "params"
    TAGS = "tags"
    METRICS = "metrics"
    ARTIFACTS = "artifacts"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record about one run of MLflow.

    Attributes
    ----------
    kind
        What the record is about.
    run
        The id of a trial, or SWEEP for the parent run.
    time_ms
        Unix time in milliseconds.
    step
        The epoch, for metrics and artifacts.
    name
        The name of the run for a start, the artifact folder for artifacts.
    values
        Parameters, tags, metrics or paths.
    """

    kind: RecordKind
    run: str
    time_ms: int
    step: int = 0
    name: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int, str, tuple[str, ...]]:
        """Return a key that is equal for records of the same kind, run, step and names of values.

        Of records with equal keys, one is enough.
        """
        return self.kind, self.run, self.step, self.name, tuple(sorted(self.values))


def move_paths(folder: Path, moved: Callable[[str], str]) -> None:
    """Change the paths of artifacts in the records of an outbox, after its storage was moved.

    ``folder`` is the folder of the outbox. ``moved`` returns the new address of an old one.
    """
    path = folder / RECORDS
    records = read_complete_lines(path)
    for record in records:
        if "paths" in record["values"]:
            record["values"]["paths"] = [moved(one) for one in record["values"]["paths"]]
    if records:
        with atomic_write(path) as file:
            file.write_text("".join(f"{json.dumps(record)}\n" for record in records))


class Outbox:
    """An append-only file of records, and the number of those that have been sent.

    Only one process may use it. One of its threads may send while another adds records. The files
    are in ``folder``, which is made if it does not exist. Raises InputError if they are damaged.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / RECORDS
        self._sent_path = folder / SENT
        self._lock = threading.Lock()
        self._records = [from_dict(Record, plain) for plain in read_complete_lines(self._path)]
        self.n_sent = self._read_n_sent()

    def _read_n_sent(self) -> int:
        n = read_json(self._sent_path) if self._sent_path.is_file() else 0
        if type(n) is not int or not 0 <= n <= len(self._records):
            raise InputError(
                f"must contain how many of {len(self._records)} records were sent",
                seen=f"got {n!r:.40}",
                place=self._sent_path,
                remedy="remove it to send all records again",
            )
        return n

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: Record) -> None:
        """Add a record. It is on disk when this returns."""
        with self._lock:
            append_line(self._path, to_dict(record), is_synced=True)
            self._records.append(record)

    def records(self) -> tuple[Record, ...]:
        """Return all records in order, sent or not."""
        with self._lock:
            return tuple(self._records)

    def waiting(self) -> tuple[Record, ...]:
        """Return the records that have not been sent, in order."""
        return self.records()[self.n_sent :]

    def mark_sent(self, n: int) -> None:
        """Note that the first ``n`` records have been sent."""
        with atomic_write(self._sent_path) as file:
            file.write_text(str(n))
        self.n_sent = n
