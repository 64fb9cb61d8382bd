"""Send records to MLflow by way of an outbox.

Every record is written to a file first. A single thread of a single process sends the records from
there, in order. If MLflow is unreachable, the sweep does not wait and no record is lost.
``pancreatune sync FOLDER`` sends the remaining records later.
"""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldm.files.json_file import write_dataclass
from orchestration.masked import masked
from orchestration.no_telemetry import switch_off_telemetry
from orchestration.private_mlflow import EXPERIMENT_TAGS, PARENT_TAG, silence_store
from orchestration.storage.mirror import sharing_of
from orchestration.storage.sharing import fetched
from orchestration.study.outbox import RECORDS, SENT, SWEEP, Outbox, Record, RecordKind

RETRY_S = 5.0
SHARE_EVERY_S = 30.0  # if the driver's node is lost, so are the metrics of this time
KEY_TAG = "pancreatune.key"
SAID_ONCE = (RecordKind.START, RecordKind.PARAMS, RecordKind.METRICS, RecordKind.ARTIFACTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingTarget:
    """Where records are sent.

    Attributes
    ----------
    tracking_uri
        The MLflow server or database file.
    experiment
        Name of the experiment.
    study
        The folder or URL of the study. Runs are found again by it.
    artifacts
        The folder for artifacts. It is used only with a local database.
    storage
        The URL of the storage with the files to log, or "" if the storage is a folder.
    """

    tracking_uri: str
    experiment: str
    study: str
    artifacts: str
    storage: str = ""

    @property
    def is_local(self) -> bool:
        """Return whether MLflow's store is a database file rather than a server."""
        return self.tracking_uri.startswith("sqlite:")


def mlflow_client(uri: str) -> Any:
    """Return an MLflow client that sends no telemetry and soon gives up on a lost server."""
    switch_off_telemetry()
    # Otherwise MLflow prints the address of each finished run, with the password in its URI.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


class MlflowSender:
    """Sends records to one MLflow experiment. Runs of an earlier process are found by a tag."""

    def __init__(self, target: TrackingTarget) -> None:
        silence_store()
        self._target = target
        self._sharing = sharing_of(target.storage)
        self._client = mlflow_client(target.tracking_uri)
        self._experiment_id: str | None = None
        self._run_ids: dict[str, str] = {}

    def send(self, record: Record) -> None:
        """Send one record to MLflow. Sending it twice changes nothing.

        Raises one of ``send_errors`` if MLflow is unreachable or refuses the record.
        """
        from mlflow.entities import Metric, Param

        run_id = self._run_id(record)
        client, values = self._client, record.values
        match record.kind:
            case RecordKind.PARAMS:
                client.log_batch(run_id, params=[Param(k, str(v)) for k, v in values.items()])
            case RecordKind.METRICS:
                at = (record.time_ms, record.step)
                client.log_batch(run_id, [Metric(k, float(v), *at) for k, v in values.items()])
            case RecordKind.TAGS:
                for key, value in values.items():
                    client.set_tag(run_id, key, value)
            case RecordKind.ARTIFACTS:
                for address in values["paths"]:
                    path = fetched(self._sharing.place(address), self._sharing)
                    self._log_artifact(run_id, path, record.name or None)
            case RecordKind.END:
                client.set_terminated(run_id, values["status"], record.time_ms)

    def _log_artifact(self, run_id: str, path: Path, to: str | None) -> None:
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path), f"{to}/{path.name}" if to else path.name)
        else:
            self._client.log_artifact(run_id, str(path), to)

    def experiment_id(self) -> str:
        """Return the id of the experiment, which is created if it does not exist."""
        if self._experiment_id is None:
            found = self._client.get_experiment_by_name(self._target.experiment)
            location = Path(self._target.artifacts).as_uri() if self._target.is_local else None
            self._experiment_id = (
                found.experiment_id
                if found is not None
                else self._client.create_experiment(
                    self._target.experiment, location, tags=EXPERIMENT_TAGS
                )
            )
        return self._experiment_id

    def _run_id(self, record: Record) -> str:
        if record.run not in self._run_ids:
            self._run_ids[record.run] = self._find(record.run) or self._create(record)
        return self._run_ids[record.run]

    def _find(self, run: str) -> str | None:
        wanted = f"tags.`{KEY_TAG}` = '{self._target.study}/{run}'"
        found = self._client.search_runs([self.experiment_id()], wanted, max_results=1)
        return found[0].info.run_id if found else None

    def _create(self, record: Record) -> str:
        tags = {KEY_TAG: f"{self._target.study}/{record.run}"}
        if record.run != SWEEP:
            parent = self._run_ids.get(SWEEP) or self._find(SWEEP)
            tags[PARENT_TAG] = str(parent)
        run = self._client.create_run(
            self.experiment_id(), start_time=record.time_ms, run_name=record.name, tags=tags
        )
        run_id: str = run.info.run_id
        return run_id


class Tracker:
    """Records what happens in a sweep, and sends the records to MLflow from its own thread.

    In all methods, ``run`` is the id of a trial, or ``SWEEP`` for the run of the whole sweep.
    ``last_error`` says why records could not be sent. It is None if the last try succeeded.

    Parameters
    ----------
    folder
        The folder of the study, which contains the outbox.
    target
        Where the records are sent.
    """

    def __init__(self, folder: Path, target: TrackingTarget) -> None:
        write_dataclass(folder / "tracking.json", target, mode=0o600)  # its URI may hold a password
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
                self.last_error = None
            except send_errors() as error:
                self.last_error = masked(str(error).splitlines()[0])
                time.sleep(RETRY_S)
                self._wake.set()


def send_waiting(outbox: Outbox, sender: MlflowSender) -> int:
    """Send all waiting records in order. Returns how many were sent.

    Raises one of ``send_errors`` at the first record that cannot be sent.
    """
    waiting = outbox.waiting()
    for record in waiting:
        sender.send(record)
        outbox.mark_sent(outbox.n_sent + 1)
    return len(waiting)


def send_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that MLflow raises if its store is unreachable, locked or full.

    The errors of the library requests are OSErrors.
    """
    from mlflow.exceptions import MlflowException

    return MlflowException, OSError
