"""``python -m orchestration.tracking FOLDER`` sends what a sweep could not send to MLflow."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ldm.errors import InputError, PancreatuneError
from ldm.files.json_file import read_dataclass
from orchestration.masked import masked
from orchestration.study.outbox import Outbox
from orchestration.tracking.tracking import (
    MlflowSender,
    TrackingTarget,
    send_errors,
    send_waiting,
)


def main() -> None:
    """Send what a sweep could not send."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="the study's folder, as the sweep printed it")
    parser.add_argument("--tracking-uri", help="another MLflow than the one the sweep was told")
    arguments = parser.parse_args()
    try:
        target_path = arguments.folder / "tracking.json"
        if not target_path.is_file():
            raise InputError(f"{target_path} is missing: give the folder that the sweep printed")
        target = read_dataclass(TrackingTarget, target_path)
        if arguments.tracking_uri:
            target = replace(target, tracking_uri=arguments.tracking_uri)
        n_sent = send_waiting(Outbox(arguments.folder), MlflowSender(target))
    except PancreatuneError as error:
        sys.exit(f"error: {error}")
    except send_errors() as error:
        sys.exit(f"error: MLflow did not take the records, they are kept: {masked(str(error))}")
    print(f"sent {n_sent} records to {masked(target.tracking_uri)}")


if __name__ == "__main__":
    main()
