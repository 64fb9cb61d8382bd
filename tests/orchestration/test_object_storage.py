"""Sweeps on a real S3-compatible server that are continued on other machines."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from pyarrow import fs

from orchestration.study.ledger import Ledger
from tests.support.command_line import run_tune
from tests.support.repository import ROOT
from tests.support.s3_server import BUCKET, SECRET, connected, keys, s3_server
from tests.support.sweep_process import STUDY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
URL = f"s3://{BUCKET}/results"


@pytest.fixture(scope="module")
def server():
    with s3_server() as address:
        yield address


def environment(server, mirrors):
    return {**keys(server), "PANCREATUNE_MIRRORS": str(mirrors), "HOME": str(mirrors)}


def sweep(data, server, mirrors, n_trials):
    done = run_tune(
        *("--crop", "pancreas", "--data", data, "--storage", URL),
        *("--trials", n_trials, "--epochs", 4),
        timeout=850,
        **environment(server, mirrors),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def swept(phantom_folder, server, tmp_path_factory):
    """The outputs of a trial on one machine, and of a second one on another with the same URL."""
    machines = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    shown = [sweep(phantom_folder, server, at, n) for n, at in enumerate(machines, start=1)]
    return machines, shown


def study_on(machine):
    (folder,) = machine.glob(f"mirror-*/{STUDY}")
    return folder


def test_another_machine_finds_the_outcomes_and_adds_to_them(swept):
    first, second = (Ledger(study_on(machine) / "trials") for machine in swept[0])
    assert [record.number for record in second.records()] == [1, 2]
    (record,) = first.records()
    assert second.records()[0] == record
    assert second.outcome(record.trial_id) == first.outcome(record.trial_id)
    assert second.n_ended() == 2


def test_latents_of_the_first_machine_are_reused(swept):
    first, second = swept[0]
    made = list(first.glob("mirror-*/latents/[!.]*/manifest.json"))
    assert made
    for manifest in made:
        (fetched,) = second.glob(f"mirror-*/latents/{manifest.parent.name}/manifest.json")
        assert fetched.stat().st_mtime == manifest.stat().st_mtime, "both as it was pushed, once"


def test_mlflow_of_the_second_machine_has_the_trial_of_the_first(swept):
    _, second = swept[0]
    (database,) = second.glob("mirror-*/mlflow.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("pancreatune/pancreas")
    runs = client.search_runs([experiment.experiment_id])
    trials = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(trials) == 2
    for run in trials:
        losses = client.get_metric_history(run.info.run_id, "loss")
        assert [one.step for one in losses] == [1, 2, 3, 4]
        folder = {one.path for one in client.list_artifacts(run.info.run_id, "epoch_0004")}
        assert "epoch_0004/panel.png" in folder


def test_the_last_lines_name_the_url_and_the_mirror(swept):
    (first, _), (shown, _) = swept
    line = next(line for line in shown.splitlines() if line.startswith("results: "))
    assert line == f"results: {URL}/{STUDY} (here: {study_on(first)})"


def test_no_secret_is_printed_or_written(swept, server):
    machines, shown = swept
    assert not [text for text in shown if SECRET in text]
    files = [path for at in machines for path in at.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    storage = connected(server)
    for info in storage.get_file_info(fs.FileSelector(BUCKET, recursive=True)):
        if info.is_file:
            with storage.open_input_file(info.path) as stream:
                assert SECRET.encode() not in stream.read(), info.path


def test_a_third_machine_writes_the_report_from_the_url(swept, server, tmp_path):
    assert swept
    done = subprocess.run(
        [sys.executable, "-m", "pancreatune", "report", "--storage", URL],
        cwd=ROOT,
        env={**os.environ, **environment(server, tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table, page = map(Path, done.stdout.splitlines())
    assert len(pd.read_csv(table)) == 2
    assert page.read_text().count("data:image/webp;base64") == 6  # three pictures of each trial
