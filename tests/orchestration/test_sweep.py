"""A small real sweep with Ray, Optuna, TotalSegmentator and MLflow."""

import shutil

import nibabel as nib
import optuna
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from evaluation.organs.weights import PHANTOM_WEIGHTS, TOTAL_3MM, TOTAL_6MM
from orchestration.preflight.disk_forecast import forecast_disk
from orchestration.search.beliefs import anchors_of
from orchestration.search.study_storage import study_storage
from orchestration.study.ledger import Ledger
from tests.support.command_line import run_finalists, run_tune
from tests.support.sweep_process import STUDY, mlflow_runs

pytestmark = pytest.mark.timeout(600)  # two minutes on an idle machine


def sweep(data, storage, *more, **options):
    return run_tune(
        *("--crop", "pancreas", "--data", data, "--storage", storage),
        *("--trials", 2, "--epochs", 4, *more),
        timeout=560,
        **options,
    )


@pytest.fixture(scope="module")
def swept(phantom_folder, tmp_path_factory):
    storage = tmp_path_factory.mktemp("sweep")
    done = sweep(phantom_folder, storage)
    assert done.returncode == 0, done.stdout + done.stderr
    return storage, done.stdout


def test_the_table_shows_both_objectives_and_the_pareto_front(swept):
    _, shown = swept
    for part in (
        "Histogram distance",
        "Dice",
        "Pareto-optimal",
        "real scans: ",
        "smooth noise: ",
        "untrained: ",
    ):
        assert part in shown


def test_a_trial_that_is_not_learning_is_named_under_the_table(swept):
    _, shown = swept
    assert "learning schedule of study 2 is not learning: its loss (" in shown


@pytest.mark.slow
def test_two_workers_have_the_same_losses_as_one(swept, phantom_folder, tmp_path):
    done = run_tune(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path),
        *("--trials", 1, "--epochs", 4, "--workers", 2, "--micro-batch", 1),
        timeout=560,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ledger, ledger_alone = (Ledger(one / STUDY / "trials") for one in (tmp_path, swept[0]))
    (record,) = ledger.records()
    together = ledger.outcome(record.trial_id).training
    alone = [ledger_alone.outcome(one.trial_id).training for one in ledger_alone.records()]
    (same,) = [one for one in alone if one.first_epoch_loss == approx(together.first_epoch_loss)]
    assert together.loss == approx(same.loss)
    assert ledger.evaluation(record.trial_id).scores["histogram_distance_hu"].score.n == 6


def approx(loss):
    return pytest.approx(loss, rel=1e-3)


def test_the_last_two_lines_say_where_the_results_are(swept):
    storage, shown = swept
    results, opened = shown.strip().splitlines()[-2:]
    assert results == f"results: {storage / STUDY}"
    assert f"mlflow ui --backend-store-uri sqlite:///{storage / 'mlflow.db'}" in opened


def test_every_trial_is_complete_in_the_study_with_both_objectives(swept):
    storage, _ = swept
    study = optuna.load_study(study_name=STUDY, storage=study_storage(storage / STUDY))
    # Waiting trials are known points that come later.
    asked = [trial for trial in study.trials if trial.state.name != "WAITING"]
    assert [trial.state.name for trial in asked] == ["COMPLETE", "COMPLETE"]
    assert all(len(trial.values) == 2 for trial in asked)
    sizes = {trial.params["input_size"] for trial in asked}
    assert set(anchors_of(study)) == sizes  # Tune has passed on what scores are compared with


def test_mlflow_has_a_parent_and_a_child_for_each_trial(swept):
    storage, _ = swept
    runs = mlflow_runs(storage)
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(runs) == 3
    assert [run.data.tags["phantom"].startswith("PHANTOM RUN") for run in parents] == [True]


def test_mlflow_has_each_epoch_once_and_the_objectives(swept):
    storage, _ = swept
    client = MlflowClient(tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    for run in mlflow_runs(storage):
        if "mlflow.parentRunId" in run.data.tags:
            losses = client.get_metric_history(run.info.run_id, "loss")
            assert [metric.step for metric in losses] == [1, 2, 3, 4]
            assert run.data.metrics["histogram_distance_hu"] > 0
            assert 0 <= run.data.metrics["totalsegmentator_dice"] <= 1


def test_the_page_is_next_to_the_table_and_in_mlflow(swept):
    storage, _ = swept
    shown = (storage / STUDY / "report.html").read_text()
    assert shown.count('src="data:image/webp') == 6  # panel, histogram and loss of two trials
    client = MlflowClient(tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    (parent,) = (r for r in mlflow_runs(storage) if "mlflow.parentRunId" not in r.data.tags)
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"trials.csv", "report.html"} <= files
    assert parent.data.tags["code_version"]


def test_mlflow_has_the_pictures_and_the_samples(swept):
    storage, _ = swept
    client = MlflowClient(tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    child = next(run for run in mlflow_runs(storage) if "mlflow.parentRunId" in run.data.tags)
    files = {file.path for file in client.list_artifacts(child.info.run_id, "epoch_0004")}
    assert {"epoch_0004/panel.png", "epoch_0004/histogram.png", "epoch_0004/samples"} <= files
    assert "loss.png" in {file.path for file in client.list_artifacts(child.info.run_id)}


def test_a_sample_has_the_cohorts_true_spacing_and_hu(swept):
    storage, _ = swept
    path = sorted((storage / STUDY / "trials").glob("*/epoch_0004/samples/*.nii.gz"))[0]
    image = nib.load(path)
    assert image.shape == (48, 48, 32)
    spacing = image.header.get_zooms()
    assert all(0.5 < mm < 5 for mm in spacing)
    assert len({round(float(mm), 3) for mm in spacing}) == 3
    assert -1000 <= image.get_fdata().min() < image.get_fdata().max() <= 1000


def test_the_same_command_again_runs_nothing(swept, phantom_folder):
    storage, _ = swept
    before = (storage / STUDY / "outbox.jsonl").stat().st_mtime
    done = sweep(phantom_folder, storage)
    assert done.returncode == 0
    assert (storage / STUDY / "outbox.jsonl").stat().st_mtime == before
    assert len(pd.read_csv(storage / STUDY / "trials.csv")) == 2


def test_other_settings_in_the_same_storage_are_refused(swept, phantom_folder):
    storage, _ = swept
    done = sweep(phantom_folder, storage, "--epochs", 6)
    assert done.returncode == 2
    assert "another --storage" in done.stderr


def test_each_input_size_has_its_own_untrained_model(swept):
    storage, _ = swept
    ledger = Ledger(storage / STUDY / "trials")
    records = ledger.records()
    assert {str(record.config.image.input_size) for record in records} == {"fit", "512x512xZ"}
    scores = [ledger.evaluation(record.trial_id).untrained for record in records]
    first, second = (of_size["histogram_distance_hu"].score for of_size in scores)
    assert first.value != second.value
    assert first.n == second.n == 6
    assert len(list((storage / "references").glob("*/*/untrained-*"))) == 2, "each measured once"


def test_mlflow_has_fields_of_view_and_contact_sheets(swept):
    storage, _ = swept
    client = MlflowClient(tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    runs = mlflow_runs(storage)
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    sizes = [file.path for file in client.list_artifacts(parent.info.run_id, "contact_sheets")]
    assert sorted(sizes) == [f"contact_sheets/{s}" for s in ("512x512xZ", "fit")]
    seen = {run.data.params["field_of_view_fraction.x"] for run in runs if run is not parent}
    assert seen == {"1.0", "0.55"}


def test_checkpoints_are_as_large_as_forecast(swept):
    storage, _ = swept
    (config, _) = (record.config for record in Ledger(storage / STUDY / "trials").records())
    forecast = forecast_disk(config, n_trials=2, n_scans=6, n_input_sizes=1)
    written = [*storage.rglob("tensors.safetensors"), *storage.rglob("sampler.safetensors")]
    gib = sum(path.stat().st_size for path in written) / 2**30
    assert gib == pytest.approx(forecast.checkpoints_gib, rel=0.1)


@pytest.mark.slow
def test_finalists_are_scored_once_stored_and_logged_to_mlflow(swept):
    storage, _ = swept
    first = run_finalists("--storage", storage, timeout=560)
    assert first.returncode == 0, first.stdout + first.stderr
    table = pd.read_csv(storage / STUDY / "finalists.csv")
    trials = pd.read_csv(storage / STUDY / "trials.csv")
    assert set(table["trial_id"]) <= set(trials["trial_id"])
    assert not trials["pareto"].any()  # one held-out scan has no interval
    assert table["finalist_dice_n"].tolist() == [6] * len(table)
    assert table["finalist_dice_real"].between(0, 1).all()
    runs = [run for run in mlflow_runs(storage) if "finalist_dice" in run.data.metrics]
    assert sorted(run.data.metrics["finalist_dice"] for run in runs) == pytest.approx(
        sorted(table["finalist_dice"])
    )
    again = run_finalists("--storage", storage)
    assert again.returncode == 0
    assert "scoring" in first.stdout
    assert "scoring" not in again.stdout


@pytest.mark.slow
def test_the_error_without_the_1_5_mm_model_says_how_to_get_it(swept, tmp_path):
    storage, _ = swept
    for model in (TOTAL_3MM, TOTAL_6MM):
        shutil.copytree(PHANTOM_WEIGHTS / model.dataset, tmp_path / model.dataset)
    done = run_finalists("--storage", storage, "--totalsegmentator-weights", tmp_path)
    assert done.returncode == 2
    assert "totalseg_download_weights -t total`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
