"""Nodes of a real Ray cluster on this machine, each started as if on its own host."""

import os
import secrets
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.ports import free_port, wait_for_port

RAY = str(Path(sys.executable).with_name("ray"))
NODE = (
    *("--block", "--disable-usage-stats", "--num-cpus", "2", "--object-store-memory", "300000000"),
)


class Cluster:
    """A head that requires a token, and the nodes that joined it.

    A client needs the variables in ``environment``.
    """

    def __init__(self, folder):
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.token = token
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self._nodes = []
        head = self.start(
            *("--head", "--node-ip-address", "127.0.0.1", "--port", str(port)),
            *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(free_port())),
        )
        wait_for_port(port, head)

    def start(self, *options, before=(), **environment):
        """Start a node. ``before`` is a command prefix that runs it."""
        node = subprocess.Popen(
            [*before, RAY, "start", *options, *NODE],
            env=os.environ | self.environment | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._nodes.append(node)
        return node

    def join(self, *options, **environment):
        """Start another node. Unless an option names its IP address, it is that of the first."""
        port = str(free_port())  # the agent's port, which is the same on every node by default
        return self.start(
            *("--address", self.address, "--dashboard-agent-listen-port", port),
            *options,
            **environment,
        )

    def stop(self):
        """Kill all nodes at once. If asked to stop, a node would wait for its stopping head."""
        for node in self._nodes:
            with suppress(psutil.NoSuchProcess):
                for process in [*psutil.Process(node.pid).children(recursive=True), node]:
                    process.kill()
            node.wait(60)


@contextmanager
def running_cluster(folder):
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.stop()
