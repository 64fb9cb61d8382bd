"""Keep libraries from contacting anyone but the cluster and the MLflow server that the user named.

By the sources of Ray 2.60 and MLflow 3.17, and by a test that records every connection of a sweep:
MLflow reports usage unless told not to. A local Ray looks up its route to 8.8.8.8, and asks the
metadata servers of three clouds whether it runs there, even if its usage reports are off.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ldm.environment import environment

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
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


@contextmanager
def quiet_dashboard() -> Iterator[None]:
    """Keep a dashboard that Ray starts in the block from asking three clouds whether it runs there.

    It asks them if ``~/ray_bootstrap_config.yaml`` is missing, whether or not usage is reported.
    So the dashboard gets a home folder with an empty file of that name.
    """
    from ray._private import services

    start = services.start_api_server

    def start_at_home(*arguments: Any, **options: Any) -> Any:
        with environment(_dashboard_home()):
            return start(*arguments, **options)

    services.start_api_server = start_at_home
    try:
        yield
    finally:
        services.start_api_server = start


def _dashboard_home() -> dict[str, str]:
    """The environment of the dashboard, with the place of the user's token for Ray."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray/auth_token")
    known = {"RAY_AUTH_TOKEN_PATH": str(token)} if token.is_file() else {}
    return {"HOME": str(_empty_home())} | known


@cache
def _empty_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="ray-dashboard-home-"))
    (home / "ray_bootstrap_config.yaml").touch()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home
