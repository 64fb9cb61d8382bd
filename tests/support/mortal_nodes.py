"""Nodes of a Ray cluster on loopback, each with its own process tree that can be killed at once."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.support.ports import free_port, wait_for_port


class RayNodes:
    """A Ray cluster whose head has no CPUs, so trials train on workers, which can be killed."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        # Ray's default of 30 s is too short if several nodes start on two busy cores.
        self._environment = {"RAY_raylet_start_wait_time_s": "120", **environment}
        self.variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.address = f"127.0.0.1:{free_port()}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_head(self, **environment: str) -> None:
        port = self.address.partition(":")[2]
        self._start("head", "--head", "--port", port, "--num-cpus", "0", **environment)
        wait_for_port(int(port), self._running["head"])

    def start_worker(self, name: str, **environment: str) -> "subprocess.Popen[bytes]":
        self._start(name, "--address", self.address, "--num-cpus", "1", **environment)
        return self._running[name]

    def kill(self, name: str) -> None:
        pull_the_plug(self._running.pop(name))

    def kill_all(self) -> None:
        for name in reversed(list(self._running)):
            self.kill(name)

    def _start(self, name: str, *options: str, **environment: str) -> None:
        command = [
            *(str(Path(sys.executable).with_name("ray")), "start", "--block", *options),
            *("--node-ip-address", "127.0.0.1", "--disable-usage-stats"),
            *("--object-store-memory", "200000000"),
            *(["--temp-dir", str(self._folder / "ray")] if name == "head" else []),
        ]
        self._running[name] = subprocess.Popen(
            command,
            env={**os.environ, **self.variables, **self._environment, **environment},
            stdout=(self._folder / f"{name}.log").open("wb"),
            stderr=subprocess.STDOUT,
        )


def pull_the_plug(machine: "subprocess.Popen[Any]") -> None:
    """Kill a process and all its descendants at once, so that none can send or write anything."""
    tree = [psutil.Process(machine.pid), *psutil.Process(machine.pid).children(recursive=True)]
    for act in (psutil.Process.suspend, psutil.Process.kill):  # stop all before killing any
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                act(process)
    machine.wait()


@contextmanager
def ray_nodes(folder: Path, **environment: str) -> Iterator[RayNodes]:
    """Provide a cluster inside the block, and kill its nodes afterwards.

    ``environment`` is set for all nodes.
    """
    nodes = RayNodes(folder, **environment)
    try:
        yield nodes
    finally:
        nodes.kill_all()
