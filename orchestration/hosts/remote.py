"""Log in to the hosts of a cluster: for one command, or for a tunnel to the head's dashboard."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ldm.errors import InputError
from orchestration.hosts.cluster_file import ClusterFile

DASHBOARD_PORT = 8265
REACH_TIMEOUT_S = 10
TUNNEL_TIMEOUT_S = 20.0


def head_of(cluster: ClusterFile) -> str:
    """Return the address of the head. For a rented cluster, Ray looks it up.

    Raises InputError if Ray does not find it.
    """
    if cluster.head is not None:
        return cluster.head
    asked = ["ray", "get-head-ip", str(cluster.path)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(
            "a rented cluster must be running",
            seen=f"{' '.join(asked)} found none ({done.stderr.strip()})",
            remedy=f"start it by `ray up -y {cluster.path}`",
        )
    return done.stdout.split()[-1]


def ssh(
    cluster: ClusterFile, address: str, *command: str, options: tuple[str, ...] = ()
) -> list[str]:
    """Return the ssh command line that runs ``command`` on a host without asking for a password.

    Without ``command``, ssh opens a login shell or does what ``options``, further options of ssh,
    ask for. The key of a host that was never seen before is accepted.
    """
    key = ("-i", str(cluster.ssh_key)) if cluster.ssh_key else ()
    settings = (
        "BatchMode=yes",
        "StrictHostKeyChecking=accept-new",
        f"ConnectTimeout={REACH_TIMEOUT_S}",
    )
    given = [word for setting in settings for word in ("-o", setting)]
    return ["ssh", *key, *given, *options, f"{cluster.ssh_user}@{address}", *command]


def run_on(cluster: ClusterFile, address: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command on a host, and return the finished process with its output as text.

    Exit code 255 means that ssh could not reach the host. Nothing is raised if the command fails.
    """
    line = ssh(cluster, address, command)
    return subprocess.run(line, capture_output=True, text=True, check=False)


@contextmanager
def dashboard(cluster: ClusterFile) -> Iterator[str]:
    """Open a tunnel to the head's dashboard, and yield its URL on this machine.

    Raises InputError if the head cannot be reached.
    """
    head, port = head_of(cluster), _free_port()
    forward = ("-N", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=5")
    line = ssh(
        cluster, head, options=(*forward, "-L", f"127.0.0.1:{port}:127.0.0.1:{DASHBOARD_PORT}")
    )
    # The tunnel has its own session, so that Ctrl-C ends the command that uses it first.
    # It may outlive a killed caller and so must not hold the caller's output open.
    tunnel = subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_for(tunnel, port, head, cluster)
        yield f"http://127.0.0.1:{port}"
    finally:
        tunnel.terminate()
        tunnel.wait()
        if tunnel.stderr is not None:
            tunnel.stderr.close()


def _wait_for(tunnel: subprocess.Popen[str], port: int, head: str, cluster: ClusterFile) -> None:
    deadline = time.monotonic() + TUNNEL_TIMEOUT_S
    while time.monotonic() < deadline and tunnel.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    tunnel.terminate()
    said = tunnel.stderr.read().strip() if tunnel.stderr is not None else ""
    raise InputError(
        f"the head must be reached by ssh as {cluster.ssh_user}",
        seen=f"{head} was not: {said or 'no answer'}",
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
