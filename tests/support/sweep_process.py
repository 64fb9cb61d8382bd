"""Start a sweep in its own process, watch it, and kill it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from mlflow.tracking import MlflowClient

from tests.support.repository import ROOT

STUDY = "pancreas-demo-default"
PATIENCE_S = 400


def command(data, storage, *more):
    arguments = [
        "--crop",
        "pancreas",
        "--data",
        str(data),
        "--storage",
        str(storage),
        *map(str, more),
    ]
    return [sys.executable, str(ROOT / "tune.py"), *arguments]


def start(data, storage, *more, **environment):
    return subprocess.Popen(
        command(data, storage, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | environment,
    )


def kill_all(sweep):
    """Kill a sweep with SIGKILL, and wait until the Ray processes that it started have ended."""
    family = descendants(sweep.pid, "")
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    wait_for(lambda: not any(map(is_alive, family)), "Ray's processes to end with their driver")


def is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition, what, patience_s=PATIENCE_S, *, of=None):
    """Wait until ``condition()`` is true, and return its value.

    Fails after ``patience_s`` seconds, or as soon as the process ``of`` has ended. ``what`` names
    the condition in the error.
    """
    begun = time.monotonic()
    while time.monotonic() < begun + patience_s:
        if found := condition():
            return found
        if of is not None and of.poll() is not None:
            shown, _ = of.communicate()
            raise AssertionError(f"waited for {what}, but it ended with {of.returncode}: {shown}")
        time.sleep(0.2)
    raise AssertionError(f"waited {patience_s} s for {what}")


def fact(text):
    """Print a measured fact for docs/faults.md. The options -rP and -s of pytest show it."""
    print(f"\nFACT {text}", flush=True)


def n_epochs(storage):
    """Return the number of epochs that all trials reported, including repeated ones."""
    return sum(map(len, epochs_reported(storage).values()))


def descendants(pid, title):
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if title in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def epochs_reported(storage):
    return {
        path.parent.name: [json.loads(line)[0] for line in path.read_text().splitlines()]
        for path in (Path(storage) / STUDY / "trials").glob("*/loss.jsonl")
    }


def logged_steps(storage):
    client = MlflowClient(tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    return [
        [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]
        for run in mlflow_runs(storage)
        if "mlflow.parentRunId" in run.data.tags
    ]


def mlflow_runs(storage):
    client = MlflowClient(tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pancreatune/pancreas")
    return client.search_runs([experiment.experiment_id])
