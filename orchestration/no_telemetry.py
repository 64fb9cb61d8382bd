"""Keep libraries from contacting anything but the cluster and the MLflow server of the user.

By default, MLflow 3.17 reports its usage. A local Ray 2.60 looks up its route to 8.8.8.8 and asks
the metadata servers of three clouds whether it runs there, even if its usage reports are off. A
test records every connection of a sweep.
"""

import os

from orchestration.private_ray import LOOPBACK_ONLY

SILENCE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",  # respected by MLflow and others
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",  # this program downloads nothing
    "NO_ALBUMENTATIONS_UPDATE": "1",
}


def switch_off_telemetry() -> None:
    """Switch off telemetry of libraries in this process and its children.

    Call this before Ray and MLflow are imported.
    """
    os.environ.update(SILENCE)


def stay_on_loopback() -> None:
    """Make a local Ray listen on 127.0.0.1. Call this before Ray is imported.

    Otherwise Ray listens on the address of its route to 8.8.8.8.
    """
    for name, value in LOOPBACK_ONLY.items():
        os.environ.setdefault(name, value)
