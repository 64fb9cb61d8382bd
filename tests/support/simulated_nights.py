"""Nights in a row on one storage, as timers would start them, and what befalls them."""

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
NIGHT_S = 1500  # until when a night may last: none comes near
EPOCHS = 4


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def family(pid):
    """A process and all that came of it; empty where it is gone."""
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_all(processes):
    """At once, and until they are gone."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=60)


class Nights:
    """A storage, the file of its nights, and an MLflow server that can be away."""

    def __init__(self, folder, data):
        self.storage, self._folder, self._data = folder / "results", folder, data
        self._port, self._server = free_port(), None
        self.write()

    def write(self, **more):
        """nightly.yaml: one trial a night."""
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
        """A night in a session of its own, as a service has it."""
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
        """Its exit code, and what it said."""
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
        """Of each trial, every epoch that was trained, repeated ones too."""
        paths = sorted(self.ledger().folder.glob("*/loss.jsonl"))
        lines = {path.parent.name: path.read_text().splitlines() for path in paths}
        return {name: [json.loads(line)[0] for line in of] for name, of in lines.items()}

    def trains(self, n):
        """Whether n trials have begun to train, and the last of them has no outcome."""
        epochs, ledger = self.epochs(), self.ledger()
        return len(epochs) == n and any(ledger.outcome(name) is None for name in epochs)

    def reports(self):
        return nights(self.storage / "nightly")

    def runs(self):
        """The parent and its children, as the server has them."""
        client = MlflowClient(tracking_uri=f"http://127.0.0.1:{self._port}")
        experiment = client.get_experiment_by_name("pancreatune/pancreas")
        found = client.search_runs([experiment.experiment_id])
        children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
        return client, [run for run in found if run not in children], children


@contextmanager
def small_cluster(folder):
    """A head that trains nothing and two nodes of one CPU; yields address, token and both nodes."""
    token, port = folder / "token", free_port()
    token.write_text(secrets.token_hex(32))
    address, started = f"127.0.0.1:{port}", []
    try:
        for options in (
            ["--head", f"--port={port}", "--num-cpus=0"],
            *[[f"--address={address}", "--num-cpus=1"]] * 2,
        ):  # one by one: together they are too slow for each other's patience
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
    """The node, and its processes, that has a Train worker."""
    for node in nodes:
        processes = family(node.pid)
        if any("ray::RayTrainWorker" in title(one) for one in processes):
            return processes
    return []


def title(process):
    """Its command line; empty where it has ended since."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def kill_group(process):
    """A whole session at once, as the machine's own end would; Ray's processes follow."""
    processes = family(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kill_all(processes)
