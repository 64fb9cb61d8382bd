"""Run several nights on one storage, as timers would start them, and disturb them."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil
from mlflow.tracking import MlflowClient

from orchestration.night.report import nights
from orchestration.study.ledger import Ledger
from tests.support.ports import free_port
from tests.support.repository import ROOT
from tests.support.sweep_process import wait_for

STUDY = "pancreas-demo-default"
PATIENCE_S = 900
NIGHT_S = 1500  # the time limit of a night, which none reaches
EPOCHS = 4


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def family(pid):
    """Return a process and its descendants. Empty if it has ended."""
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_all(processes):
    """Kill processes, and wait until they have ended."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=60)


class Nights:
    """A storage with its nightly.yaml, and an MLflow server that can be stopped."""

    def __init__(self, folder, data):
        self.storage, self._folder, self._data = folder / "results", folder, data
        self._port, self._server = free_port(), None
        self.write()

    def write(self, **more):
        """Write nightly.yaml with one trial per night. ``more`` adds or replaces fields."""
        fields = {
            "crops": ["pancreas"],
            "until": "06:00",
            "storage": str(self.storage),
            "data": str(self._data),
            "trials": 1,
            "epochs": EPOCHS,
            "tracking_uri": f"http://127.0.0.1:{self._port}",
        }
        (self._folder / "nightly.yaml").write_text(json.dumps(fields | more))

    def begin(self, **environment):
        """Start a night in its own session, as a service would."""
        until = datetime.fromtimestamp(time.time() + NIGHT_S).isoformat(timespec="seconds")
        line = [sys.executable, "-m", "pancreatune", "nightly", "--until", until]
        return subprocess.Popen(
            [*line, "--config", str(self._folder / "nightly.yaml")],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, night):
        """Wait until a night has ended, print its output, and return its exit code."""
        shown, _ = night.communicate(timeout=PATIENCE_S)
        print(f"FACT code {night.returncode}: {shown}", flush=True)
        return night.returncode

    def start_server(self):
        database = f"sqlite:///{self._folder / 'server.db'}"
        artifacts = str(self._folder / "artifacts")
        line = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
        line += ["--backend-store-uri", database, "--artifacts-destination", artifacts]
        self._server = subprocess.Popen(
            [*line, "--port", str(self._port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: is_open(self._port), "MLflow's server", 120)

    def stop_server(self):
        kill_all(family(self._server.pid))
        self._server.wait()

    def ledger(self):
        return Ledger(self.storage / STUDY / "trials")

    def epochs(self):
        """Return the epochs that each trial trained, including repeated ones."""
        paths = sorted(self.ledger().folder.glob("*/loss.jsonl"))
        lines = {path.parent.name: path.read_text().splitlines() for path in paths}
        return {name: [json.loads(line)[0] for line in of] for name, of in lines.items()}

    def trains(self, n):
        """Return True if n trials have begun to train and one of them has no outcome yet."""
        epochs, ledger = self.epochs(), self.ledger()
        return len(epochs) == n and any(ledger.outcome(name) is None for name in epochs)

    def reports(self):
        return nights(self.storage / "nightly")

    def runs(self):
        """Return the MLflow client, the parent runs and the child runs on the server."""
        client = MlflowClient(tracking_uri=f"http://127.0.0.1:{self._port}")
        experiment = client.get_experiment_by_name("pancreatune/pancreas")
        found = client.search_runs([experiment.experiment_id])
        children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
        return client, [run for run in found if run not in children], children


@contextmanager
def small_cluster(folder):
    """Start a head without CPUs and two nodes with one CPU each.

    Yields the address, the token file and both nodes.
    """
    token, port = folder / "token", free_port()
    token.write_text(secrets.token_hex(32))
    address, started = f"127.0.0.1:{port}", []
    try:
        for options in (
            ["--head", f"--port={port}", "--num-cpus=0"],
            *[[f"--address={address}", "--num-cpus=1"]] * 2,
        ):  # one by one, because they would time out if they started together
            started.append(start_node(folder / f"node-{len(started)}.log", token, *options))
        yield address, token, started[1:]
    finally:
        kill_all([one for node in started for one in family(node.pid)])
        for node in started:
            node.wait()


def start_node(log, token, *options):
    patience = {"RAY_raylet_start_wait_time_s": "120"}
    with log.open("w") as said:
        node = subprocess.Popen(
            [
                *(str(Path(sys.executable).with_name("ray")), "start", "--block", *options),
                *("--node-ip-address=127.0.0.1", "--disable-usage-stats"),
                "--object-store-memory=200000000",
            ],
            env=os.environ
            | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
            | patience,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    wait_for(lambda: "Ray runtime started" in log.read_text(), f"a node, see {log}", 180)
    return node


def node_that_trains(nodes):
    """Return the processes of the node that runs a Train worker. Empty if there is none."""
    for node in nodes:
        processes = family(node.pid)
        if any("ray::RayTrainWorker" in title(one) for one in processes):
            return processes
    return []


def title(process):
    """Return the command line of a process. Empty if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def kill_group(process):
    """Kill a whole session at once, as a crash of the machine would, and then Ray's processes."""
    processes = family(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kill_all(processes)
