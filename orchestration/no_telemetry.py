"""Keep libraries from contacting anyone but the cluster and the MLflow server that the user named.

By the sources of Ray 2.60 and MLflow 3.17, and by a test that records every connection of a sweep:
MLflow reports usage unless told not to. A local Ray looks up its route to 8.8.8.8, and asks the
metadata servers of three clouds whether it runs there, even if its usage reports are off.
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
    """For this process and its children. Call it before Ray and MLflow are imported."""
    os.environ.update(SILENCE)


def stay_on_loopback() -> None:
    """Make a local Ray use the address 127.0.0.1. Call it before Ray is imported.

    Otherwise Ray takes the address of its route to 8.8.8.8, and listens there.
    """
    for name, value in LOOPBACK_ONLY.items():
        os.environ.setdefault(name, value)
