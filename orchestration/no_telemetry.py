"""Nothing is sent to anybody but the cluster and the MLflow server that were named.

Read off Ray 2.60 and MLflow 3.17, and seen by a test that records every connection of a sweep:
MLflow reports usage unless told not to; a local Ray asks 8.8.8.8 for its way out and the servers of
three clouds what they are, even where its own usage reports are off.
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
    "DO_NOT_TRACK": "true",  # MLflow too, and what asks for it by this name
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",  # nothing is downloaded from here
    "NO_ALBUMENTATIONS_UPDATE": "1",
}


def switch_off_telemetry() -> None:
    """For this process and all that it starts; call it before Ray and MLflow are imported."""
    os.environ.update(SILENCE)


def stay_on_loopback() -> None:
    """A local Ray takes 127.0.0.1 as its address; call it before Ray is imported.

    Else it asks for the way to 8.8.8.8 to learn its address, and listens there.
    """
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


@contextmanager
def quiet_dashboard() -> Iterator[None]:
    """Within, a dashboard that Ray starts does not ask three clouds whether it runs on theirs.

    It does where ``~/ray_bootstrap_config.yaml`` is missing, usage reports or not: it gets a home
    that has an empty one.
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
    """The environment of the dashboard; it goes on finding the token of this user's Ray."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray/auth_token")
    known = {"RAY_AUTH_TOKEN_PATH": str(token)} if token.is_file() else {}
    return {"HOME": str(_empty_home())} | known


@cache
def _empty_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="ray-dashboard-home-"))
    (home / "ray_bootstrap_config.yaml").touch()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home
