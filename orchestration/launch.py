"""A sweep on several machines: ``python -m orchestration.launch``, after ``ray up``."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
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
from orchestration.options import exit_code

LEFT = 130  # what a shell says of a command that Ctrl-C ended

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
FileArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="CLUSTER_YAML", help="The file that `ray up` is given.")
]


@app.command("check")
def check_file(path: FileArgument) -> None:
    """Say what would go wrong with a cluster file, before `ray up` does."""

    def run() -> int:
        cluster = read_cluster_file(path)
        print(f"{path}: {cluster.n_hosts} hosts; next: ray up -y {path}")
        return 0

    sys.exit(exit_code(run))


@app.command("submit")
def submit_sweep(
    path: FileArgument,
    sweep: Annotated[list[str], typer.Argument(metavar="-- OPTIONS", help="Those of tune.py.")],
    wait_s: Annotated[float, typer.Option(min=0, help="For how long to wait for hosts.")] = 300.0,
) -> None:
    """Ship the code, wait for the hosts, check them, run the sweep and follow it."""

    def run() -> int:
        cluster, console = read_cluster_file(path), Console()
        line = entrypoint(cluster, sweep, wait_s)
        present_token()
        with jobs_of(cluster) as client:
            job = hand_over(client, line, storage_of(sweep))
            console.print(f"{job} is the cluster's now; Ctrl-C leaves it running", highlight=False)
            return _follow(client, job, cluster, console)

    sys.exit(exit_code(run))


@app.command("follow")
def follow_sweep(
    path: FileArgument,
    job: Annotated[str | None, typer.Argument(metavar="ID", help="Default: the last one.")] = None,
) -> None:
    """Show a sweep from its beginning, and go on with it."""

    def run() -> int:
        cluster = read_cluster_file(path)
        present_token()
        with jobs_of(cluster) as client:
            return _follow(client, job or last_sweep(client), cluster, Console())

    sys.exit(exit_code(run))


@app.command("down")
def stop_cluster(path: FileArgument) -> None:
    """Stop Ray on every host, workers too; sweeps end, and go on when submitted again."""

    def run() -> int:
        cluster = read_cluster_file(path)
        if cluster.head is None:  # rented: Ray gives the machines back
            return subprocess.run(["ray", "down", "-y", str(path)], check=False).returncode
        # The head first: it would start the workers again. Without what it remembers of them, the
        # next one sets them up anew, and gives them its token; else it only starts Ray there.
        forget = f"rm -f /tmp/ray/cluster-{cluster.name}.state"
        stopped = [_stop(cluster, cluster.head, and_then=forget)]
        with ThreadPoolExecutor() as hosts:
            stopped += hosts.map(lambda worker: _stop(cluster, worker), cluster.workers)
        return 0 if all(stopped) else 1

    sys.exit(exit_code(run))


def _stop(cluster: ClusterFile, address: str, and_then: str = "true") -> bool:
    """Stop Ray on one host, and say whether it did."""
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
        again = f"python -m orchestration.launch follow {cluster.path} {job}"
        console.print(f"\n{job} goes on; back to it: {again}", highlight=False, soft_wrap=True)
        return LEFT


if __name__ == "__main__":
    app()
