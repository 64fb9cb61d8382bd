"""``pancreatune sync``: send the records that a sweep could not send to MLflow."""

import sys
from dataclasses import replace
from pathlib import Path

from ldm.errors import InputError
from ldm.files.json_file import read_dataclass
from orchestration.masked import masked
from orchestration.storage.mirror import sharing_of
from orchestration.storage.study_lock import study_lock
from orchestration.study.outbox import Outbox
from orchestration.tracking.tracking import (
    MlflowSender,
    TrackingTarget,
    send_errors,
    send_waiting,
)


def send_study(folder: Path, tracking_uri: str | None) -> int:
    """Send the records that wait in a study's folder. Returns 0, or 1 if MLflow refuses them.

    By default they go where the sweep wanted to send them. ``tracking_uri`` overrides this. Raises
    InputError if the folder is not that of a study, or if another command is writing to it: a sweep
    sends its records itself.
    """
    target_path = folder / "tracking.json"
    if not target_path.is_file():
        raise InputError(
            f"{target_path} is missing", remedy="give the folder that the sweep printed"
        )
    target = read_dataclass(TrackingTarget, target_path)
    if tracking_uri:
        target = replace(target, tracking_uri=tracking_uri)
    try:
        with study_lock(folder, sharing_of(target.storage)):
            n_sent = send_waiting(Outbox(folder), MlflowSender(target))
    except send_errors() as error:
        why = masked(str(error))
        print(
            f"error: the records could not be sent to MLflow and are kept: {why}", file=sys.stderr
        )
        return 1
    print(f"sent {n_sent} records to {masked(target.tracking_uri)}")
    return 0
