"""The parts of Ray that are used here and are not part of its public interface.

A comment at each part says what would go wrong without it.
``tests/orchestration/test_private_ray.py`` checks each part against the installed version. Ray is
imported inside the functions, because it reads some of its settings only when it is imported.
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

from ldm.environment import environment_variables

# A resource that only the head of a cluster has. Ray has no public way to place a task on the head.
# Otherwise drivers of trials would start on rented hosts, which may be taken away.
HEAD_RESOURCE = "node:__internal_head__"

# Ray warns if more processes than this start at once, as they do for a trial with many workers.
STARTUP_LIMIT = {"RAY_worker_maximum_startup_concurrency": "16"}
# The watcher is an extra process for each trial that waits for notice that its host will be taken
# away. This cannot happen to a local sweep.
NO_PREEMPTION_WATCHER = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}
# Otherwise a local Ray looks up its route to 8.8.8.8 and listens on the address of that route.
LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

# The port of a local Ray, which would otherwise choose one. It is known before Ray starts, so all
# of its processes can inherit the address.
PORT_VARIABLE = "RAY_GCS_SERVER_PORT"

LONGEST_SOCKET = "dash_MetricsHead"  # of a part of the dashboard

# Logs at each start that clients need a token. The clients that are started here have it.
AUTHENTICATION_LOGGER = "ray._private.authentication"
# They warn about result files that a sweep does not write, explain how to resume by calling Tune,
# and report slow callbacks. A user of a sweep cannot act on any of that.
TUNE_LOGGERS = ("ray.tune.tune", "ray.tune.analysis.experiment_analysis", "ray.tune.utils.util")
# They log a line for each uploaded file, and one when a log ends.
JOB_LOGGERS = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")


def on_head() -> dict[str, float]:
    """Return resources that place a task or actor on the head, where it reserves no CPU."""
    return {"CPU": 0, HEAD_RESOURCE: 0.001}


def is_head(node: Mapping[str, Any]) -> bool:
    """Return whether a node of ``ray.nodes()`` is the head."""
    return HEAD_RESOURCE in node["Resources"]


def longest_socket() -> str:
    """Return the longest path of a socket that Ray makes, relative to its temporary folder.

    Ray says only of some of its sockets that their paths are too long. Of the others, the dashboard
    dies.
    """
    pid = "9" * len(str(int(Path("/proc/sys/kernel/pid_max").read_text()) - 1))
    return f"ray/session_2026-01-01_00-00-00_000000_{pid}/sockets/{LONGEST_SOCKET}"


def running_clusters() -> list[str]:
    """Return the addresses of all Ray clusters that have a head on this host."""
    from ray._private.services import find_gcs_addresses

    find_gcs_addresses.cache_clear()
    return sorted(find_gcs_addresses())


def recorded_cluster() -> str | None:
    """Return the address that ``auto`` stands for: that of the last ``ray start`` on this host.

    None if no cluster is recorded. Ray then joins any that it finds.
    """
    from ray._private.services import find_bootstrap_address

    address: str | None = os.environ.get("RAY_ADDRESS") or find_bootstrap_address(None)
    return address


def token_file() -> Path:
    """Return the path of the token that clients of Ray present. The file may not exist."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray/auth_token")


def silence_token_note() -> None:
    """Keep Ray from logging at each start that it asks for a token."""
    logging.getLogger(AUTHENTICATION_LOGGER).setLevel(logging.ERROR)


def silence_tune() -> None:
    """Keep Tune from logging messages that only help users who call it themselves."""
    for name in TUNE_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def silence_job_client() -> None:
    """Keep Ray's job client from logging every file that it uploads."""
    for name in JOB_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def forget_cluster(name: str) -> str:
    """Return a shell command for the head that deletes the state of Ray's cluster launcher.

    With the old state, the next ``ray up`` would assume that the workers are set up already, and
    would not give them the token of the new cluster.
    """
    return shlex.join(["rm", "-f", f"/tmp/ray/cluster-{name}.state"])


@contextmanager
def quiet_dashboard() -> Iterator[None]:
    """Within the context, Ray's dashboard starts without contacting the servers of three clouds.

    If ``~/ray_bootstrap_config.yaml`` is missing, the dashboard asks these servers whether it runs
    on them, even with usage reports off. So it is given a home folder that has an empty file.
    """
    from ray._private import services

    start = services.start_api_server

    def start_at_home(*arguments: Any, **options: Any) -> Any:
        with environment_variables(_dashboard_environment()):
            return start(*arguments, **options)

    services.start_api_server = start_at_home
    try:
        yield
    finally:
        services.start_api_server = start


def _dashboard_environment() -> dict[str, str]:
    """Return variables that give the dashboard another home folder, but the same token."""
    token = token_file()
    known = {"RAY_AUTH_TOKEN_PATH": str(token)} if token.is_file() else {}
    return {"HOME": str(_empty_home())} | known


@cache
def _empty_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="ray-dashboard-home-"))
    (home / "ray_bootstrap_config.yaml").touch()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home
