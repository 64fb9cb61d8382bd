"""Send records to MLflow by way of an outbox.

Every record is written to a file first. A single thread of a single process sends the records from
there, in order. If MLflow is unreachable, the sweep does not wait and no record is lost.
``pancreatune sync FOLDER`` sends the remaining records later.
"""

import threading
import time
from pathlib import Path
from typing import Any

from orchestration.masked import masked
from orchestration.storage.mirror import sharing_of
from orchestration.study.outbox import RECORDS, SENT, Outbox, Record, RecordKind
from orchestration.tracking.relocation import settle
from orchestration.tracking.sender import MlflowSender, send_errors, send_waiting
from orchestration.tracking.target import TrackingTarget

RETRY_S = 5.0
SHARE_EVERY_S = 30.0  # if the driver's node is lost, so are the metrics of this time
SAID_ONCE = (RecordKind.START, RecordKind.PARAMS, RecordKind.METRICS, RecordKind.ARTIFACTS)


class Tracker:
    """Records what happens in a sweep, and sends the records to MLflow from its own thread.

    In all methods, ``run`` is the id of a trial, or ``SWEEP`` for the run of the whole sweep.
    ``last_error`` says why records could not be sent. It is None if the last try succeeded.
    ``notes`` has a line for each thing that was made whole again in MLflow.

    Parameters
    ----------
    folder
        The folder of the study, which contains the outbox.
    target
        Where the records are sent.
    """

    def __init__(self, folder: Path, target: TrackingTarget) -> None:
        target, moved = settle(folder, target)
        self.notes = [moved] if moved else []
        self._sharing = sharing_of(target.storage)
        self._share_lock, self._shared_at, self._n_shared = threading.Lock(), 0.0, 0
        self.folder = folder
        self._outbox = Outbox(folder)
        self._target = target
        self._said = {record.key for record in self._outbox.records()}
        self._is_closing = threading.Event()
        self._wake = threading.Event()
        self.last_error: str | None = None
        self._thread = threading.Thread(target=self._send_all, daemon=True, name="mlflow-sender")
        self._thread.start()

    def start_run(self, run: str, name: str, params: dict[str, Any], tags: dict[str, str]) -> None:
        """Open a run with a name, parameters and tags. Later calls for the same run only set tags.

        The sweep's run must be opened before those of its trials.
        """
        self._put(RecordKind.START, run, name=name)
        self._put(RecordKind.PARAMS, run, values=params)
        self.set_tags(run, tags)

    def log_metrics(self, run: str, step: int, values: dict[str, float]) -> None:
        """Log the metrics of one step, usually an epoch.

        Only the first call for a step counts: an epoch that is trained again after an interruption
        adds nothing.
        """
        self._put(RecordKind.METRICS, run, step=step, values=values)

    def log_artifacts(self, run: str, paths: list[Path], *, to: str = "", step: int = 0) -> None:
        """Log files and whole folders into the artifact folder ``to``, by default the top folder.

        They are read when they are sent, not now. Of several calls with the same ``to`` and
        ``step``, only the first one counts, even if the files differ.
        """
        values = {"paths": [self._sharing.address(path) for path in paths]}
        self._put(RecordKind.ARTIFACTS, run, step=step, name=to, values=values)

    def set_tags(self, run: str, tags: dict[str, str]) -> None:
        """Set tags of a run. May be called several times."""
        self._put(RecordKind.TAGS, run, values=dict(tags))
        self._share()

    def end_run(self, run: str, status: str) -> None:
        """Close a run. ``status`` is FINISHED, FAILED or KILLED."""
        self._put(RecordKind.END, run, values={"status": status})
        self._share()

    def close(self, timeout_s: float) -> int:
        """Send records for at most ``timeout_s`` more seconds. Returns how many are still left."""
        self._is_closing.set()
        self._wake.set()
        self._thread.join(timeout_s)
        self._share()
        return len(self._outbox.waiting())

    def _put(
        self,
        kind: RecordKind,
        run: str,
        *,
        step: int = 0,
        name: str = "",
        values: dict[str, Any] | None = None,
    ) -> None:
        now_ms = int(time.time() * 1000)
        record = Record(
            kind=kind, run=run, time_ms=now_ms, step=step, name=name, values=values or {}
        )
        if kind in SAID_ONCE and record.key in self._said:
            return
        self._said.add(record.key)
        self._outbox.put(record)
        self._wake.set()

    def _share(self) -> None:
        """Upload the file of records to the storage.

        If the records go to a server, the number that it has received is uploaded too.
        """
        with self._share_lock:
            self._shared_at, self._n_shared = time.monotonic(), len(self._outbox)
            sent = [] if self._target.is_local else [self.folder / SENT]
            paths = [self.folder / RECORDS, *sent]
            self._sharing.push(*(path for path in paths if path.is_file()))

    def _share_now_and_then(self) -> None:
        is_due = time.monotonic() - self._shared_at > SHARE_EVERY_S
        if is_due and len(self._outbox) > self._n_shared:
            self._share()

    def _send_all(self) -> None:
        sender: MlflowSender | None = None
        while not (self._is_closing.is_set() and not self._outbox.waiting()):
            self._wake.wait(RETRY_S)
            self._wake.clear()
            try:
                self._share_now_and_then()
                sender = sender or MlflowSender(self._target)
                send_waiting(self._outbox, sender)
                self._take_notes(sender)
                self.last_error = None
            except send_errors() as error:
                self._take_notes(sender)
                sender = None  # the next one looks for deleted runs
                self.last_error = masked(str(error).splitlines()[0])
                time.sleep(RETRY_S)
                self._wake.set()

    def _take_notes(self, sender: MlflowSender | None) -> None:
        if sender is not None:
            self.notes += sender.notes
            sender.notes = []
