"""Which trials are finalists, how their scores are stored and sent to MLflow, and errors."""

import json
from dataclasses import replace
from io import StringIO

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from rich.console import Console

from ldm.config import Crop
from ldm.data.latents.store import read_manifest
from ldm.errors import InputError
from ldm.files.dataclass_json import to_dict
from ldm.recipes import demo
from orchestration.final_round.judge import check_samples, held_out_images
from orchestration.final_round.scores import (
    FinalistScore,
    check_reference,
    finalists_of,
    write_finalists,
)
from orchestration.final_round.tracking import has_ended, tell_mlflow
from orchestration.finalists import print_finalists, study_folders
from orchestration.study.evaluations import DICE
from orchestration.study.ledger import Ledger
from orchestration.study.outbox import SWEEP, Outbox
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker
from tests.support.command_line import run_finalists
from tests.support.small_outcomes import complete, evaluation
from tests.support.sound_files import write_store


def study(storage, **scores):
    """Return the folder of a study with complete trials that have these evaluations, by name."""
    folder = storage / "pancreas-demo-default"
    folder.mkdir()
    ledger = Ledger(folder / "trials")
    for name, scored in scores.items():
        ledger.add(name, name, demo(Crop.PANCREAS))
        complete(ledger.folder / name, scored)
    (folder / "sweep.json").write_text("{}")
    return folder, ledger


def score_of(dice=0.6, floor=0.2, reference="abc", failed=()):
    return FinalistScore(
        epoch=32,
        reference=reference,
        is_put_back=False,
        failed=failed,
        dice=evaluation(dice=dice, floor=floor).scores[DICE],
    )


@pytest.fixture
def one(tmp_path):
    """The folder of a study with one trial, and the trial as a finalist."""
    folder, ledger = study(tmp_path, a=evaluation())
    (finalist,) = finalists_of(ledger)
    return folder, finalist


def test_finalists_are_the_trials_that_the_table_marks(tmp_path):
    _, ledger = study(
        tmp_path, a=evaluation(10.0, 0.7), b=evaluation(20.0, 0.6), c=evaluation(20.0, 0.8)
    )
    finalists = finalists_of(ledger)
    assert [finalist.record.name for finalist in finalists] == ["a", "c"]
    assert finalists[0].samples == ledger.folder / "a" / "epoch_0032" / "samples"


def test_held_out_scans_are_found_by_case_name(tmp_path):
    store = write_store(tmp_path).parent
    assert held_out_images(read_manifest(store), store) == {"b": tmp_path / "b.nii.gz"}


def test_samples_cannot_be_inserted_into_scans_with_hashed_names(tmp_path):
    store = write_store(tmp_path).parent
    manifest = read_manifest(store)
    hidden = tuple(replace(scan, image=scan.case_id) for scan in manifest.scans)
    with pytest.raises(InputError, match="without --hash-cases"):
        held_out_images(replace(manifest, scans=hidden), store)


def test_a_study_without_a_complete_trial_has_no_finalists(tmp_path):
    ledger = Ledger(tmp_path / "trials")
    ledger.add("a", "a", demo(Crop.PANCREAS))
    assert finalists_of(ledger) == []


def test_a_study_without_any_trial_has_no_finalists(tmp_path):
    assert finalists_of(Ledger(tmp_path)) == []


def test_a_stored_score_is_read_again(one):
    _, finalist = one
    assert finalist.score() is None
    finalist.keep(score_of(0.61))
    assert finalist.score() == score_of(0.61)


def test_the_error_of_a_score_by_other_weights_names_both(one):
    _, finalist = one
    check_reference(finalist, score_of(reference="abc"), "abc")
    with pytest.raises(InputError, match=r"finalist\.json was measured with abc, .* now are def"):
        check_reference(finalist, score_of(reference="abc"), "def")


def test_the_error_of_missing_samples_names_their_folder(one):
    _, finalist = one
    finalist.samples.mkdir(parents=True)
    for i in range(5):
        (finalist.samples / f"sample_{i:02d}.nii.gz").touch()
    with pytest.raises(InputError, match=r"all 6 samples .*samples has 5"):
        check_samples(finalist, 6)


def test_the_table_has_both_scores_with_their_anchors(one):
    folder, finalist = one
    line = pd.read_csv(write_finalists(folder, [(finalist, score_of(0.6))])).iloc[0]
    assert (line["trial_id"], line["finalist_dice_n"]) == ("a", 8)
    assert (line["finalist_dice"], line["totalsegmentator_dice"]) == (0.6, 0.7)
    assert line["finalist_dice_low"] < 0.6 < line["finalist_dice_high"]
    assert (line["finalist_dice_real"], line["finalist_dice_nonsense"]) == (0.8, 0.2)
    assert line["finalist_dice_real_low"] == pytest.approx(0.78)


def printed(finalist, score):
    log = StringIO()
    print_finalists(Console(file=log, width=140), [(finalist, score)])
    return log.getvalue()


def test_the_printed_table_has_both_scores_side_by_side(one):
    _, finalist = one
    shown = printed(finalist, score_of(0.61)).splitlines()
    assert shown[0].split("  ")[0] == "trial"
    cells = [cell.strip() for cell in shown[1].split("  ") if cell.strip()]
    assert cells == ["a", "fit", "8", "0.70 ±0.02", "0.80", "0.30", "0.61 ±0.02", "0.80", "0.20"]


def test_notes_name_scores_that_noise_reaches_and_failed_samples(one):
    _, finalist = one
    shown = printed(finalist, score_of(floor=0.79, failed=("sample_03",)))
    assert "a: at 1.5 and 3 mm, smooth noise scores as well as real scans" in shown
    assert "a: sample_03 crashed the segmenter twice, scored as 0" in shown
    assert "3 and 6 mm, smooth noise" not in shown


def test_all_studies_are_scored_by_default(tmp_path):
    folder, _ = study(tmp_path)
    assert study_folders(tmp_path, []) == [folder]
    assert study_folders(tmp_path, [folder.name]) == [folder]


def test_the_error_of_an_unknown_study_lists_the_studies(tmp_path):
    study(tmp_path)
    with pytest.raises(InputError, match=r"has no other .it has: pancreas-demo-default"):
        study_folders(tmp_path, ["other"])


def test_a_storage_without_studies_exits_with_2_and_one_line(tmp_path):
    done = run_finalists("--storage", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def target(folder):
    return TrackingTarget(
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
        experiment="pancreatune/test",
        study="study",
        artifacts=str(folder / "artifacts"),
    )


def track(folder, *, has_ended=True):
    """Log a sweep with one trial, a, to MLflow."""
    tracker = Tracker(folder, target(folder))
    tracker.start_run(SWEEP, "sweep", {}, {})
    tracker.start_run("a", "trial a", {}, {})
    tracker.end_run("a", "FINISHED")
    if has_ended:
        tracker.end_run(SWEEP, "FINISHED")
    assert tracker.close(60) == 0


def tell(folder, finalist):
    log = StringIO()
    scored = [(finalist, score_of(0.61))]
    tell_mlflow(folder, write_finalists(folder, scored), scored, Console(file=log, width=300))
    return log.getvalue()


def test_the_score_is_logged_once_to_the_trials_run(one):
    folder, finalist = one
    track(folder)
    assert tell(folder, finalist) == tell(folder, finalist) == ""
    client = MlflowClient(tracking_uri=target(folder).tracking_uri)
    experiment = client.get_experiment_by_name("pancreatune/test").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert set(runs) == {"sweep", "trial a"}
    (found,) = client.get_metric_history(runs["trial a"].info.run_id, "finalist_dice")
    assert (found.step, found.value) == (32, 0.61)
    for name in ("low", "high", "real", "nonsense"):
        assert f"finalist_dice_{name}" in runs["trial a"].data.metrics
    (file,) = client.list_artifacts(runs["sweep"].info.run_id, "finalists")
    assert file.path == "finalists/finalists.csv"


def test_scores_that_mlflow_does_not_accept_are_kept_with_a_message(one, monkeypatch):
    folder, finalist = one
    track(folder)
    away = replace(target(folder), tracking_uri="http://127.0.0.1:9")
    (folder / "tracking.json").write_text(json.dumps(to_dict(away)))
    monkeypatch.setattr("orchestration.final_round.tracking.CLOSE_TRACKING_S", 1.0)
    assert "2 records could not be sent to MLflow" in tell(folder, finalist)
    assert len(Outbox(folder).waiting()) == 2


def test_finalists_of_a_running_sweep_are_not_logged(one):
    folder, finalist = one
    track(folder, has_ended=False)
    before = len(Outbox(folder))
    assert "not logged to MLflow" in tell(folder, finalist)
    assert len(Outbox(folder)) == before


def test_a_resumed_sweep_has_not_ended(tmp_path):
    track(tmp_path)
    assert has_ended(tmp_path)
    tracker = Tracker(tmp_path, target(tmp_path))
    tracker.start_run(SWEEP, "sweep", {}, {})
    assert tracker.close(60) == 0
    assert not has_ended(tmp_path)
