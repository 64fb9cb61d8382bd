"""``pancreatune cluster``: run a sweep on a cluster that ``ray up`` has started."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from pancreatune.exit_code import exit_with

ON_A_HOST = "On a host of the cluster"
METADATA = "http://169.254.169.254/latest"  # where a host of Amazon finds data about itself

FileArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="CLUSTER_YAML", help="The cluster file that you give to `ray up`.")
]

cluster = typer.Typer(help="Run a sweep on several machines.", no_args_is_help=True)


@cluster.command()
def check(path: FileArgument) -> None:
    """Check a cluster file for mistakes before you run `ray up`."""

    def run() -> int:
        from orchestration.launch import check_file

        return check_file(path)

    exit_with(run)


@cluster.command()
def submit(
    path: FileArgument,
    sweep: Annotated[
        list[str], typer.Argument(metavar="-- OPTIONS", help="Options of `pancreatune sweep`.")
    ],
    wait_s: Annotated[
        float, typer.Option(min=0, help="How long to wait for the hosts, in seconds.")
    ] = 300.0,
) -> None:
    """Run a sweep on the cluster and show its output.

    Uploads the code, waits for all hosts and checks them first.
    """

    def run() -> int:
        from orchestration.launch import submit_sweep

        return submit_sweep(path, sweep, wait_s, Console())

    exit_with(run)


@cluster.command()
def follow(
    path: FileArgument,
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="The ID of the sweep's job. Default: the job submitted last."
        ),
    ] = None,
) -> None:
    """Print the output of a sweep from its start until the sweep ends.

    Ctrl-C ends the printing only; the sweep goes on.
    """

    def run() -> int:
        from orchestration.launch import follow_sweep

        return follow_sweep(path, job, Console())

    exit_with(run)


@cluster.command()
def down(path: FileArgument) -> None:
    """Stop Ray on all hosts.

    Running sweeps stop too. They resume when submitted again.
    """

    def run() -> int:
        from orchestration.launch import stop_cluster

        return stop_cluster(path)

    exit_with(run)


@cluster.command(rich_help_panel=ON_A_HOST)
def wait(
    n_hosts: Annotated[int, typer.Option(min=1, help="Number of hosts, including the head.")],
    storage: Annotated[str, typer.Option(metavar="DIR|URL", help="The storage of the sweep.")],
    host: Annotated[
        list[str] | None, typer.Option(help="The address of a host. Repeat for each host.")
    ] = None,
    wait_s: Annotated[
        float, typer.Option(help="How long to wait for the hosts, in seconds.")
    ] = 300.0,
    n_gpus: Annotated[
        int, typer.Option(min=0, help="Number of GPUs that all hosts together must offer.")
    ] = 0,
    outcome: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL", help="Where to write that a sweep did not start.", hidden=True
        ),
    ] = None,
) -> None:
    """Wait for all hosts of this cluster and check them.

    `submit` runs this on the head before the sweep.
    """

    def run() -> int:
        from orchestration.readiness import wait_and_check

        return wait_and_check(
            n_hosts, storage, hosts=host or [], wait_s=wait_s, n_gpus=n_gpus, outcome=outcome
        )

    exit_with(run)


@cluster.command(rich_help_panel=ON_A_HOST)
def spot_notice(
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="The address of the head.")],
    node_id: Annotated[
        str | None, typer.Option(help="Ray's id of the node to drain. Default: this host.")
    ] = None,
    aws: Annotated[bool, typer.Option("--aws", help="Also ask Amazon's metadata service.")] = False,
    metadata: Annotated[str, typer.Option(hidden=True)] = METADATA,
) -> None:
    """Drain this rented host when it is about to be shut down.

    Runs until then. Trials on the host save a checkpoint, and nothing new starts on it.
    """

    def run() -> int:
        from orchestration.spot_notice import drain_on_notice

        return drain_on_notice(address, node_id, metadata if aws else None)

    exit_with(run)
