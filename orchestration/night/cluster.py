"""Run a night on the lab's cluster: start it if it is down, and run each sweep as a Ray job."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

from rich.console import Console

from ldm.errors import InputError
from orchestration.hosts.cluster_file import ClusterFile, read_cluster_file
from orchestration.hosts.sweep_job import entrypoint, follow, hand_over, jobs_of, running_sweeps
from orchestration.night.config import NightlyConfig
from orchestration.night.sweep import Task, sweep_options

WAIT_FOR_HOSTS_S = 600.0


def bring_up(path: Path, log: Path) -> str:
    """Start the cluster unless its dashboard answers. Returns what was done, for the terminal.

    ``path`` is the cluster file, ``log`` the file for the output of ``ray up``.

    ``ray up`` restarts a cluster that is running already. If only the dashboard is down, the first
    command in the cluster file prevents that (see ``ray_cluster.yaml``). Raises InputError if
    ``ray up`` fails.
    """
    cluster = read_cluster_file(path)
    try:
        with jobs_of(cluster):
            return "the cluster is running"
    except InputError:
        with log.open("w") as shown:
            started = subprocess.run(
                ["ray", "up", "-y", str(path)], stdout=shown, stderr=subprocess.STDOUT, check=False
            )
    if started.returncode:
        raise InputError(
            f"the cluster of {path} must be running",
            seen="`ray up` did not start it",
            remedy=f"see {log}",
        )
    return "the cluster was down and has been started"


def sweep_there(config: NightlyConfig, task: Task) -> int:
    """Run a sweep as a job of the cluster until it ends. Returns its exit code.

    ``config.cluster`` must be set. The output goes to ``task.log``. If a killed night has left a
    sweep that is still running with this storage, this function first waits for that sweep, because
    two sweeps would write to the same files. Raises InputError if the cluster cannot be reached or
    the connection is lost.
    """
    assert config.cluster is not None
    cluster = read_cluster_file(config.cluster)
    tracking = [f"--tracking-uri={config.tracking_uri}"] if config.tracking_uri else []
    sweep = [*sweep_options(config, task), *tracking]
    line = entrypoint(cluster, sweep, WAIT_FOR_HOSTS_S, config.gpus)
    with task.log.open("w") as log, jobs_of(cluster) as client:
        console = Console(file=log, width=200)
        for job in running_sweeps(client, config.storage):
            _follow(client, job, cluster, console)
        return _follow(client, hand_over(client, line, config.storage), cluster, console)


def _follow(client: Any, job: str, cluster: ClusterFile, console: Console) -> int:
    return asyncio.run(follow(client, job, cluster, console))
