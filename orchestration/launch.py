"""Submit a sweep to a cluster that ``ray up`` has started, follow it, and stop the cluster."""

import asyncio
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from orchestration.cluster import present_token
from orchestration.hosts.cluster_file import ClusterFile, read_cluster_file
from orchestration.hosts.remote import run_on
from orchestration.hosts.sweep_job import (
    entrypoint,
    follow,
    hand_over,
    jobs_of,
    last_sweep,
    storage_of,
)
from orchestration.private_ray import forget_cluster

LEFT = 130  # a shell's exit code for a command that Ctrl-C ended


def check_file(path: Path) -> int:
    """Check a cluster file and print its number of hosts. Returns 0.

    Raises InputError if the file has a mistake.
    """
    cluster = read_cluster_file(path)
    print(f"{path} is valid and names {cluster.n_hosts} hosts. Next: ray up -y {path}")
    return 0


def submit_sweep(path: Path, sweep: Sequence[str], wait_s: float, console: Console) -> int:
    """Submit a sweep to a running cluster and show its output until it ends.

    ``path`` is the cluster file, ``sweep`` are options of ``pancreatune sweep``. The sweep starts
    when all hosts have joined, and fails if this takes longer than ``wait_s`` seconds.

    Returns the exit code of the sweep, or ``LEFT`` if the user stopped watching with Ctrl-C. Raises
    InputError if the file or the options have a mistake, or if the cluster cannot be reached.
    """
    cluster = read_cluster_file(path)
    line = entrypoint(cluster, sweep, wait_s)
    present_token()
    with jobs_of(cluster) as client:
        job = hand_over(client, line, storage_of(sweep))
        console.print(
            f"submitted as {job}; press Ctrl-C to stop watching, it keeps running", highlight=False
        )
        return _follow(client, job, cluster, console)


def follow_sweep(path: Path, job: str | None, console: Console) -> int:
    """Show the output of a submitted sweep from its start until it ends.

    ``path`` is the cluster file. ``job`` is the id of the sweep's job. None stands for the sweep
    that was submitted last. The exit code and the errors are those of ``submit_sweep``.
    """
    cluster = read_cluster_file(path)
    present_token()
    with jobs_of(cluster) as client:
        return _follow(client, job or last_sweep(client), cluster, console)


def stop_cluster(path: Path) -> int:
    """Stop Ray on all hosts of a cluster file. Returns 0 if all have stopped.

    Raises InputError if the file has a mistake.
    """
    cluster = read_cluster_file(path)
    if cluster.head is None:  # rented hosts: Ray also returns them
        return subprocess.run(["ray", "down", "-y", str(path)], check=False).returncode
    # Stop the head first, since it would start the workers again.
    stopped = [_stop(cluster, cluster.head, and_then=forget_cluster(cluster.name))]
    with ThreadPoolExecutor() as hosts:
        stopped += hosts.map(lambda worker: _stop(cluster, worker), cluster.workers)
    return 0 if all(stopped) else 1


def _stop(cluster: ClusterFile, address: str, and_then: str = "true") -> bool:
    """Stop Ray on one host, print the result and return whether it stopped.

    ``and_then`` is a shell command to run after that.
    """
    done = run_on(cluster, address, f"{cluster.environment}/ray stop && {and_then}")
    is_stopped = done.returncode == 0
    print(
        f"{address}: {'stopped' if is_stopped else f'NOT stopped: {done.stderr.strip()}'}",
        flush=True,
    )
    return is_stopped


def _follow(client: object, job: str, cluster: ClusterFile, console: Console) -> int:
    try:
        return asyncio.run(follow(client, job, cluster, console))
    except KeyboardInterrupt:
        again = f"pancreatune cluster follow {cluster.path} {job}"
        console.print(
            f"\n{job} keeps running; to follow it again: {again}", highlight=False, soft_wrap=True
        )
        return LEFT
