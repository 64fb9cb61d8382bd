"""The Ray Train job that trains an autoencoder, its MLflow run, and a killed worker."""

import json
import os
import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.files.dataclass_json import flat, from_dict
from tests.support.repository import ROOT
from tests.support.sweep_process import descendants, wait_for

pytestmark = pytest.mark.timeout(600)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "pancreatune", "train-autoencoder", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )


def finish(process):
    shown, errors = process.communicate(timeout=500)
    return subprocess.CompletedProcess(process.args, process.returncode, shown, errors)


def command(data, folder, steps=2):
    return ("--data", data, "--crop", "pancreas", "--steps", steps, "--to", folder)


@pytest.fixture(scope="module")
def trained(phantom_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "autoencoder"
    done = finish(start(*command(phantom_folder, folder)))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def tracked_run(folder):
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pancreatune/autoencoder")
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


@pytest.mark.slow
def test_the_job_writes_weights_and_prints_their_scores(trained):
    folder, shown = trained
    assert (folder / "autoencoder.safetensors").is_file()
    assert "pancreas: mean absolute error" in shown
    assert "PHANTOM RUN" in shown


@pytest.mark.slow
def test_mlflow_has_parameters_metrics_and_pictures(trained):
    folder, _ = trained
    client, run = tracked_run(folder)
    assert run.info.status == "FINISHED"
    config = json.loads((folder / "training.json").read_text())["config"]
    expected = flat(from_dict(AutoencoderTrainingConfig, config))
    assert run.data.params == {name: str(value) for name, value in expected.items()}
    assert run.data.metrics["error_hu"] > 0
    assert run.data.metrics["pancreas/ssim"] > 0
    (picture,) = client.list_artifacts(run.info.run_id, "reconstructions")
    assert picture.path.endswith("step_0000002.png")


@pytest.mark.slow
def test_a_finished_training_is_not_repeated(trained, phantom_folder):
    folder, shown = trained
    again = finish(start(*command(phantom_folder, folder)))
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-2:] == shown.splitlines()[-2:]
    assert tracked_run(folder)[1].info.status == "FINISHED"


def test_real_scans_need_weights_that_find_the_trunk(folder, tmp_path):
    done = finish(start("--data", folder, "--to", tmp_path / "to"))
    assert done.returncode == 2
    assert "--totalsegmentator-weights" in done.stderr


@pytest.mark.slow
def test_a_killed_worker_restarts_and_logs_nothing_twice(phantom_folder, tmp_path):
    # There is a report after each step, and a checkpoint every five steps.
    folder, steps = tmp_path / "autoencoder", 60
    training = start(*command(phantom_folder, folder, steps))
    wait_for(lambda: list(folder.glob("checkpoints/step_*")), "a checkpoint")
    (worker,) = descendants(training.pid, "ray::RayTrainWorker")
    worker.kill()
    done = finish(training)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, steps + 1))
    client, run = tracked_run(folder)
    history = client.get_metric_history(run.info.run_id, "error_hu")
    assert [metric.step for metric in history] == list(range(1, steps + 1))
