"""``pancreatune cluster``: a sweep on several machines, after ``ray up``."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from pancreatune.exit_code import exit_with

ON_A_HOST = "On a host of the cluster"
METADATA = "http://169.254.169.254/latest"  # Amazon's own address: a host asks what it is

FileArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="CLUSTER_YAML", help="The file that `ray up` is given.")
]

cluster = typer.Typer(help="Run a sweep on several machines.", no_args_is_help=True)


@cluster.command()
def check(path: FileArgument) -> None:
    """Say what would go wrong with a cluster file, before `ray up` does."""

    def run() -> int:
        from orchestration.launch import check_file

        return check_file(path)

    exit_with(run)


@cluster.command()
def submit(
    path: FileArgument,
    sweep: Annotated[
        list[str], typer.Argument(metavar="-- OPTIONS", help="Those of `pancreatune sweep`.")
    ],
    wait_s: Annotated[float, typer.Option(min=0, help="For how long to wait for hosts.")] = 300.0,
) -> None:
    """Ship the code, wait for the hosts, check them, run the sweep and follow it."""

    def run() -> int:
        from orchestration.launch import submit_sweep

        return submit_sweep(path, sweep, wait_s, Console())

    exit_with(run)


@cluster.command()
def follow(
    path: FileArgument,
    job: Annotated[str | None, typer.Argument(metavar="ID", help="Default: the last one.")] = None,
) -> None:
    """Show a sweep from its beginning, and go on with it."""

    def run() -> int:
        from orchestration.launch import follow_sweep

        return follow_sweep(path, job, Console())

    exit_with(run)


@cluster.command()
def down(path: FileArgument) -> None:
    """Stop Ray on every host, workers too; sweeps end, and go on when submitted again."""

    def run() -> int:
        from orchestration.launch import stop_cluster

        return stop_cluster(path)

    exit_with(run)


@cluster.command(rich_help_panel=ON_A_HOST)
def wait(
    n_hosts: Annotated[int, typer.Option(min=1, help="Hosts in all, the head included.")],
    storage: Annotated[str, typer.Option(metavar="DIR|URL", help="The storage that all share.")],
    host: Annotated[list[str] | None, typer.Option(help="An address; repeatable.")] = None,
    wait_s: Annotated[float, typer.Option(help="For how long to wait for hosts.")] = 300.0,
    n_gpus: Annotated[int, typer.Option(min=0, help="GPUs in all, at least.")] = 0,
    outcome: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL", help="Where to write that a sweep did not start.", hidden=True
        ),
    ] = None,
) -> None:
    """Wait for the hosts of this cluster and check them; `submit` runs it on the head."""

    def run() -> int:
        from orchestration.readiness import wait_and_check

        return wait_and_check(
            n_hosts, storage, hosts=host or [], wait_s=wait_s, n_gpus=n_gpus, outcome=outcome
        )

    exit_with(run)


@cluster.command(rich_help_panel=ON_A_HOST)
def spot_notice(
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Of the head.")],
    node_id: Annotated[
        str | None, typer.Option(help="Ray's name of a node. Default: that of this host.")
    ] = None,
    aws: Annotated[bool, typer.Option("--aws", help="Ask Amazon's metadata service too.")] = False,
    metadata: Annotated[str, typer.Option(hidden=True)] = METADATA,
) -> None:
    """Take this host out of use when its owner says that it will be taken away."""

    def run() -> int:
        from orchestration.spot_notice import drain_on_notice

        return drain_on_notice(address, node_id, metadata if aws else None)

    exit_with(run)
