"""Everything of Ray that is used here and is not part of its public interface.

Each part says what breaks without it, and ``tests/orchestration/test_private_ray.py`` runs it
against the installed version. Ray is imported inside the functions: some of its settings are read
once, at import, and have to be made before.
"""

import atexit
import logging
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ldm.environment import environment

# Every head offers one unit of it, and no other node does. Ray has no public way to ask for the
# head. Without it, drivers of trials start on hosts that may be taken away.
HEAD_RESOURCE = "node:__internal_head__"

# Ray warns when more processes than this start at once, which a trial of several does.
STARTUP_LIMIT = {"RAY_worker_maximum_startup_concurrency": "16"}
# The watcher is one process more for each trial, and waits for notice that the host will be taken
# away: nobody takes away the one machine of a local sweep.
NO_PREEMPTION_WATCHER = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}
# Without it, a local Ray looks up its route to 8.8.8.8 to learn its address, and listens there.
LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

# A note at each start that clients need a token. Those that we start have it.
AUTHENTICATION_LOGGER = "ray._private.authentication"
# Result files that Tune looks for and we do not write, how to resume when its time is up, and that
# a callback took half a second: nothing that a user of ours can act on.
TUNE_LOGGERS = ("ray.tune.tune", "ray.tune.analysis.experiment_analysis", "ray.tune.utils.util")
# A line for each file that is packed, and one when a log ends.
JOB_LOGGERS = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")


def on_head() -> dict[str, float]:
    """Resources of a task or actor that runs on the head and takes no CPU there."""
    return {"CPU": 0, HEAD_RESOURCE: 0.001}


def is_head(node: Mapping[str, Any]) -> bool:
    """Whether one of ``ray.nodes()`` is the head."""
    return HEAD_RESOURCE in node["Resources"]


def silence_token_note() -> None:
    """Keep Ray from noting, at each start, that it asks for a token."""
    logging.getLogger(AUTHENTICATION_LOGGER).setLevel(logging.ERROR)


def silence_tune() -> None:
    """Keep Tune from telling users of a sweep what only users of Tune can act on."""
    for name in TUNE_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def silence_job_client() -> None:
    """Keep Ray's job client from naming every file that it packs."""
    for name in JOB_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def forget_cluster(name: str) -> str:
    """The shell command, for the head, that removes what Ray's launcher remembers of its workers.

    Without it, the next ``ray up`` takes the workers for set up already: it starts Ray there, but
    does not give them the token of the new cluster.
    """
    return shlex.join(["rm", "-f", f"/tmp/ray/cluster-{name}.state"])


@contextmanager
def quiet_dashboard() -> Iterator[None]:
    """Within, a dashboard that Ray starts does not ask three clouds whether it runs on theirs.

    The dashboard asks when ``~/ray_bootstrap_config.yaml`` is missing, even with usage reports off.
    It is started with a home folder that has an empty one.
    """
    from ray._private import services

    start = services.start_api_server

    def start_at_home(*arguments: Any, **options: Any) -> Any:
        with environment(_dashboard_environment()):
            return start(*arguments, **options)

    services.start_api_server = start_at_home
    try:
        yield
    finally:
        services.start_api_server = start


def _dashboard_environment() -> dict[str, str]:
    """Variables of the dashboard, which still has to find the token of this user's Ray."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray/auth_token")
    known = {"RAY_AUTH_TOKEN_PATH": str(token)} if token.is_file() else {}
    return {"HOME": str(_empty_home())} | known


@cache
def _empty_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="ray-dashboard-home-"))
    (home / "ray_bootstrap_config.yaml").touch()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home
