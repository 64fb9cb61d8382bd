"""Records for MLflow, kept in a file until they are sent."""

import threading
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


class Kind(StrEnum):
    """What a record says of its run."""

    START = "start"
    PARAMS = "params"
    TAGS = "tags"
    METRICS = "metrics"
    ARTIFACTS = "artifacts"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record about one run. ``run`` is SWEEP or a trial's id.

    ``name`` is the run's name for a start, the artifact folder for artifacts.
    """

    kind: Kind
    run: str
    time_ms: int
    step: int = 0
    name: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int, str, tuple[str, ...]]:
        """Two records with equal keys say the same: the second need not be sent."""
        return self.kind, self.run, self.step, self.name, tuple(sorted(self.values))


class Outbox:
    """An append-only file of records, and how many of them have been sent.

    One process writes; a thread of it may send.
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
                f"{self._sent_path} must say how many of {len(self._records)} records were sent, "
                f"got {n!r:.40}: remove it, all are sent again"
            )
        return n

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: Record) -> None:
        """Keep a record; it is on disk when this returns."""
        with self._lock:
            append_line(self._path, to_dict(record), is_synced=True)
            self._records.append(record)

    def records(self) -> tuple[Record, ...]:
        """All records, sent or not, in order."""
        with self._lock:
            return tuple(self._records)

    def waiting(self) -> tuple[Record, ...]:
        """The records that have not been sent, in order."""
        return self.records()[self.n_sent :]

    def mark_sent(self, n: int) -> None:
        """Remember that the first ``n`` records have arrived."""
        with atomic_write(self._sent_path) as file:
            file.write_text(str(n))
        self.n_sent = n
