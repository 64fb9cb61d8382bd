"""Nothing is sent to anybody but the cluster and the MLflow server that were named.

Read off Ray 2.60 and MLflow 3.17, and seen by a test that records every connection of a sweep:
MLflow reports usage unless told not to; a local Ray asks 8.8.8.8 for its way out and the servers of
three clouds what they are, even where its own usage reports are off.
"""

import os

from orchestration.private_ray import LOOPBACK_ONLY

SILENCE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",  # MLflow too, and what asks for it by this name
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",  # nothing is downloaded from here
    "NO_ALBUMENTATIONS_UPDATE": "1",
}


def switch_off_telemetry() -> None:
    """For this process and all that it starts; call it before Ray and MLflow are imported."""
    os.environ.update(SILENCE)


def stay_on_loopback() -> None:
    """Make 127.0.0.1 the address of a local Ray; call it before Ray is imported."""
    for name, value in LOOPBACK_ONLY.items():
        os.environ.setdefault(name, value)
