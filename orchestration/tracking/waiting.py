"""``pancreatune sync``: send the records that a sweep could not send to MLflow."""

import sys
from dataclasses import replace
from pathlib import Path

from orchestration.masked import masked
from orchestration.storage.mirror import sharing_of
from orchestration.storage.study_lock import study_lock
from orchestration.study.outbox import Outbox
from orchestration.tracking.relocation import read_target, settle
from orchestration.tracking.sender import MlflowSender, send_errors, send_waiting


def send_study(folder: Path, tracking_uri: str | None) -> int:
    """Send the records that wait in a study's folder. Returns 0, or 1 if MLflow refuses them.

    By default they go where the sweep wanted to send them, and runs that were deleted there are
    made whole again. ``tracking_uri`` names another place, to which only waiting records go.

    Raises InputError if the folder is not that of a study, or if another command is writing to it:
    a sweep sends its records itself.
    """
    target = read_target(folder)
    try:
        with study_lock(folder, sharing_of(target.storage)):
            target, note = settle(folder, target)
            _say([note] if note else [])
            if tracking_uri:
                target = replace(target, tracking_uri=tracking_uri)
            sender, outbox = MlflowSender(target), Outbox(folder)
            n_sent = send_waiting(outbox, sender)
            if not tracking_uri:  # another store never had the records that were sent before
                sender.make_whole(outbox.records())
    except send_errors() as error:
        why = masked(str(error))
        print(
            f"error: the records could not be sent to MLflow and are kept: {why}", file=sys.stderr
        )
        return 1
    _say(sender.notes)
    print(f"sent {n_sent} records to {masked(target.tracking_uri)}")
    return 0


def _say(lines: list[str]) -> None:
    for line in lines:
        print(line)
