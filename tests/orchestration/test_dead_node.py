"""If a machine and its disk are lost, another one resumes from the files at the URL."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestration.study.outcomes import read_outcome
from tests.support.command_line import run_tune
from tests.support.mortal_nodes import pull_the_plug, ray_nodes
from tests.support.repository import ROOT
from tests.support.s3_server import BUCKET, connected, keys, s3_server
from tests.support.sweep_process import STUDY, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
N_EPOCHS = 32
URL = f"s3://{BUCKET}/results"


def options(data):
    return (
        *("--crop", "pancreas", "--data", str(data), "--storage", URL),
        *("--trials", "1", "--epochs", str(N_EPOCHS)),
    )


def start(data, *more, **environment):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tune.py"), *options(data), *more],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def epochs_in(text):
    return [json.loads(line)[0] for line in text.splitlines()]


def trials_on(machine):
    return list(machine.glob(f"mirror-*/{STUDY}/trials/*"))


def epochs_on(machine):
    logs = [trial / "loss.jsonl" for trial in trials_on(machine)]
    return [epoch for log in logs if log.is_file() for epoch in epochs_in(log.read_text())]


def trained_until(machine, n_epochs):
    """Wait until so many epochs were trained, so that the machine is killed during training."""
    wait_for(lambda: len(epochs_on(machine)) >= n_epochs, f"{n_epochs} epochs")


def epochs_at_url(server, trial):
    key = f"{BUCKET}/results/{STUDY}/trials/{trial}/loss.jsonl"
    with connected(server).open_input_stream(key) as stream:
        return epochs_in(stream.read().decode())


@pytest.fixture
def machines(tmp_path):
    """The folders of the mirrors of three machines, and environments that point to them."""
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    return [(folder, {"PANCREATUNE_MIRRORS": str(folder)}) for folder in folders]


@pytest.fixture
def server():
    with s3_server() as address:
        yield address


def test_a_sweep_resumes_on_another_machine_when_its_own_is_lost(phantom_folder, machines, server):
    (first, on_first), (second, on_second), _ = machines
    sweep = start(phantom_folder, **keys(server), **on_first)
    try:
        trained_until(first, 10)
    finally:
        pull_the_plug(sweep)
    assert len(epochs_on(first)) < N_EPOCHS, "it was killed too late to test anything"
    done = run_tune(*options(phantom_folder), timeout=1200, **keys(server), **on_second)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [t.name for t in trials_on(second)] == [t.name for t in trials_on(first)]
    assert resumed(epochs_on(second))


def resumed(epochs):
    """True if all epochs are listed and the first one once.

    Epochs after the last checkpoint are trained again. They are listed twice if the log of losses
    reached the URL and its checkpoint did not.
    """
    return epochs.count(1) == 1 and set(epochs) == set(range(1, N_EPOCHS + 1))


def test_a_trial_resumes_from_its_checkpoint_when_its_node_is_lost(
    phantom_folder, machines, server
):
    (head, on_head), (doomed, on_doomed), (fresh, on_fresh) = machines
    with (
        tempfile.TemporaryDirectory() as short,  # Ray's sockets need short paths
        ray_nodes(Path(short), **keys(server)) as nodes,
    ):
        nodes.start_head(**on_head)
        nodes.start_worker("doomed", **on_doomed)
        address = ("--address", nodes.address)
        sweep = start(phantom_folder, *address, **nodes.variables, **keys(server), **on_head)
        try:
            trained_until(doomed, 10)
            nodes.kill("doomed")
            assert len(epochs_on(doomed)) < N_EPOCHS, "it was killed too late to test anything"
            nodes.start_worker("fresh", **on_fresh)
            shown, _ = sweep.communicate(timeout=1200)
        finally:
            sweep.kill()
        assert sweep.returncode == 0, shown
    (trial,) = trials_on(head)
    assert resumed(epochs_at_url(server, trial.name))
    assert max(epochs_on(fresh)) == N_EPOCHS, "another node trained it to the end"
    assert read_outcome(trial).training.epoch == N_EPOCHS
