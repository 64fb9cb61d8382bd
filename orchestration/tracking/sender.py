"""Send records to one MLflow experiment, and make runs whole again that were deleted there."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestration.no_telemetry import switch_off_telemetry
from orchestration.private_mlflow import EXPERIMENT_TAGS, KEY_TAG, PARENT_TAG, silence_store
from orchestration.storage.mirror import sharing_of
from orchestration.storage.sharing import fetched
from orchestration.study.outbox import SWEEP, Outbox, Record, RecordKind
from orchestration.tracking.target import TrackingTarget

DELETED = "deleted"  # the life-cycle stage of runs and experiments in MLflow's trash


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
    """Sends records to one MLflow experiment. Runs of an earlier process are found by a tag.

    A run that somebody deleted in MLflow is restored when a record is sent to it. If it was deleted
    for good, it is opened again, and everything that was sent to it is sent once more. ``notes``
    says so, in one line for each run.
    """

    def __init__(self, target: TrackingTarget) -> None:
        silence_store()
        self._target = target
        self._sharing = sharing_of(target.storage)
        self._client = mlflow_client(target.tracking_uri)
        self._experiment_id: str | None = None
        self._run_ids: dict[str, str] = {}
        self.notes: list[str] = []

    def send(self, record: Record, earlier: Sequence[Record] = ()) -> None:
        """Send one record to MLflow. Sending it twice changes nothing.

        ``earlier`` are all records that were sent before, in order. Raises one of ``send_errors``
        if MLflow is unreachable or refuses the record.
        """
        self._deliver(record, self._run_id(record, earlier))

    def make_whole(self, sent: Sequence[Record]) -> None:
        """Restore each run of the records that were sent, or log it again, if it was deleted.

        ``sent`` are all records that were sent, in order. Raises one of ``send_errors`` if MLflow
        is unreachable.
        """
        for record in sent:
            if record.kind is RecordKind.START:
                self._run_id(record, sent)

    def _deliver(self, record: Record, run_id: str) -> None:
        from mlflow.entities import Metric, Param

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
        """Return the id of the experiment. It is created if it does not exist, or restored."""
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
            if found is not None and found.lifecycle_stage == DELETED:
                self._client.restore_experiment(found.experiment_id)
                self.notes.append(
                    f"the experiment {found.name} was deleted in MLflow: it was restored"
                )
        return self._experiment_id

    def _run_id(self, record: Record, earlier: Sequence[Record]) -> str:
        run = record.run
        if run not in self._run_ids:
            found = self._find(run)
            self._run_ids[run] = found or self._open(record, earlier)
        return self._run_ids[run]

    def _find(self, run: str) -> str | None:
        """Return the id of a run, restored if it was deleted, or None if there is none."""
        by_place = (self._with_key(f"= '{place}/{run}'") for place in self._target.studies)
        found = next(filter(None, by_place), [])
        if not found:
            return None
        run_id: str = found[0].info.run_id
        if found[0].info.lifecycle_stage == DELETED:
            self._client.restore_run(run_id)
            name = found[0].info.run_name
            self.notes.append(f"the run {name} was deleted in MLflow: it was restored")
        if found[0].data.tags[KEY_TAG] != self._key(run):
            self._client.set_tag(run_id, KEY_TAG, self._key(run))
        return run_id

    def _with_key(self, condition: str) -> list[Any]:
        """Return the runs whose key fulfills a condition, those that were deleted last."""
        from mlflow.entities import ViewType

        wanted = f"tags.`{KEY_TAG}` {condition}"
        found = self._client.search_runs([self.experiment_id()], wanted, ViewType.ALL)
        return sorted(found, key=lambda one: bool(one.info.lifecycle_stage == DELETED))

    def _key(self, run: str) -> str:
        return f"{self._target.study}/{run}"

    def _open(self, record: Record, earlier: Sequence[Record]) -> str:
        """Open the run of a record. If it was there before, send everything to it once more."""
        sent = [one for one in earlier if one.run == record.run]
        start = next((one for one in sent if one.kind is RecordKind.START), record)
        run_id = self._create(start, earlier)
        self._run_ids[record.run] = run_id
        for one in sent:
            self._deliver(one, run_id)
        if sent:
            self.notes.append(
                f"the run {start.name} was deleted from MLflow for good: it was logged again"
            )
            self._adopt(run_id, is_parent=record.run == SWEEP)
        return run_id

    def _create(self, start: Record, earlier: Sequence[Record]) -> str:
        tags = {KEY_TAG: self._key(start.run)}
        if start.run != SWEEP:
            of_sweep = next((one for one in earlier if one.run == SWEEP), None)
            parent = self._run_id(of_sweep, earlier) if of_sweep else self._find(SWEEP)
            tags[PARENT_TAG] = str(self._run_ids.get(SWEEP) or parent)
        run = self._client.create_run(
            self.experiment_id(), start_time=start.time_ms, run_name=start.name, tags=tags
        )
        run_id: str = run.info.run_id
        return run_id

    def _adopt(self, run_id: str, *, is_parent: bool) -> None:
        """Make a new parent run the parent of the trials' runs that are still there."""
        if not is_parent:
            return
        for child in self._with_key(f"LIKE '{self._key('%')}'"):
            if child.info.run_id != run_id and child.info.lifecycle_stage != DELETED:
                self._client.set_tag(child.info.run_id, PARENT_TAG, run_id)


def send_waiting(outbox: Outbox, sender: MlflowSender) -> int:
    """Send all waiting records in order. Returns how many were sent.

    Raises one of ``send_errors`` at the first record that cannot be sent.
    """
    waiting = outbox.waiting()
    for record in waiting:
        sender.send(record, outbox.records()[: outbox.n_sent])
        outbox.mark_sent(outbox.n_sent + 1)
    return len(waiting)


def send_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that MLflow raises if its store is unreachable, locked or full.

    The errors of the library requests are OSErrors.
    """
    from mlflow.exceptions import MlflowException

    return MlflowException, OSError
