"""Store an Optuna study in a journal file that all nodes can read."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ldm.files.json_lines import cut_half_line
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from orchestration.study.journal import JOURNAL_FILE, damaged_line


class SharedJournal(JournalFileBackend):
    """An Optuna journal that is shared with all nodes after every write."""

    def __init__(self, path: Path, sharing: Sharing) -> None:
        self._path, self._sharing = sharing.here(path), sharing
        super().__init__(str(self._path))

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield records. Raises InputError, which names the line, if one is damaged."""
        try:
            yield from super().read_logs(log_number_from)
        except ValueError as error:  # not JSON, or not UTF-8
            raise damaged_line(self._path) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records. All nodes can read them when this returns."""
        cut_half_line(self._path)  # left by a full disk: the next record would be appended to it
        super().append_logs(logs)
        self._sharing.push(self._path)


def study_storage(folder: Path, sharing: Sharing = SHARED_FOLDER) -> JournalStorage:
    """Return the Optuna storage of a study: a journal file, safe on shared file systems.

    ``folder`` is the folder of the study.
    """
    return JournalStorage(SharedJournal(folder / JOURNAL_FILE, sharing))
