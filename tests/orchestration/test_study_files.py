"""How machines exchange the files of a study at a URL."""

import pickle

import optuna
import pytest
from typer.testing import CliRunner

from ldm.config import Crop
from ldm.errors import InputError
from ldm.recipes import demo
from orchestration.hosts.sweep_job import storage_of
from orchestration.preflight.node_checks import observe
from orchestration.search.searcher import StudySearch
from orchestration.search.study_storage import study_storage
from orchestration.settings import claim_storage
from orchestration.study.facts import STUDY_FILE
from orchestration.study.files import fetch_reported, fetch_study, push_files
from orchestration.study.ledger import Ledger
from orchestration.study.outbox import SENT, SWEEP, Outbox
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker
from pancreatune.program import app
from tests.support.command_line import refusal
from tests.support.s3_server import BUCKET
from tests.support.study_at_url import files_in, sweep_on, with_options, write_all

SERVER = "http://127.0.0.1:9"  # nobody answers there


def test_the_settings_of_a_study_hold_for_all_machines(node):
    with node("a") as (mirror, _):
        assert claim_storage(sweep_on(mirror), "cohort")
    with node("b") as (mirror, _):
        assert not claim_storage(sweep_on(mirror), "cohort")
        with pytest.raises(InputError, match=rf"s3://{BUCKET}/.* differs in seed: 0 there, 1 now"):
            claim_storage(with_options(sweep_on(mirror), seed=1), "cohort")


def test_another_machine_finds_trials_and_journal(node):
    with node("a") as (mirror, _):
        config = sweep_on(mirror)
        Ledger(config.trials_folder).add("t1", "demo", demo(Crop.PANCREAS))
        mirror.push(config.trials_folder / "t1" / "trial.json")
        config.folder.mkdir(exist_ok=True)
        optuna.create_study(study_name="s", storage=study_storage(config.folder, mirror)).ask()
    with node("b") as (mirror, _):
        config = sweep_on(mirror)
        fetch_study(config)
        assert [one.trial_id for one in Ledger(config.trials_folder).records()] == ["t1"]
        study = optuna.load_study(study_name="s", storage=study_storage(config.folder, mirror))
        assert len(study.trials) == 1


def test_a_trial_that_was_never_pushed_is_ignored(node):
    with node("a") as (mirror, _):
        config = sweep_on(mirror)
        Ledger(config.trials_folder).add("t1", "demo", demo(Crop.PANCREAS))
        fetch_study(config)
        assert Ledger(config.trials_folder).records() == []


def test_a_restored_searcher_uses_the_journal_of_its_node(node):
    with node("a") as (mirror, _):
        config = sweep_on(mirror)
        config.folder.mkdir()
        searcher = StudySearch(
            config.folder, space=config.search_space, base=config.base, seed=0, sharing=mirror
        )
        kept = pickle.dumps(searcher)
        assert searcher.suggest("t1")
    with node("b") as (mirror, _):
        fetch_study(sweep_on(mirror))
        assert pickle.loads(kept).suggest("t2")
        folder = sweep_on(mirror).folder
        study = optuna.load_study(study_name=folder.name, storage=study_storage(folder, mirror))
        assert [trial.state.name for trial in study.trials].count("RUNNING") == 2


def told(config, mirror, n_trials):
    """Return a tracker with records of that many trials, whose server is unreachable."""
    target = TrackingTarget(
        tracking_uri=config.tracking_uri,
        experiment="e",
        study="s",
        artifacts="",
        storage=url(mirror),
    )
    tracker = Tracker(config.folder, target)
    for number in range(n_trials):
        tracker.start_run(f"t{number}", "trial", {"epochs": 4}, {"crop": "pancreas"})
        tracker.log_artifacts(f"t{number}", [config.folder / "loss.png"])
    tracker.end_run(SWEEP, "FINISHED")
    tracker.close(0.1)
    return tracker


def url(mirror):
    return mirror.store.url


def test_records_for_mlflow_refer_to_files_by_their_address(node):
    with node("a") as (mirror, _):
        told(sweep_on(mirror, SERVER), mirror, 1)
    with node("b") as (mirror, folder):
        config = sweep_on(mirror, SERVER)
        fetch_study(config)
        (record,) = (one for one in Outbox(config.folder).records() if "paths" in one.values)
        (address,) = record.values["paths"]
        assert mirror.place(address) == config.folder / "loss.png"
        assert folder in mirror.place(address).parents
        assert not (config.folder / "tracking.json").exists(), "it may hold a password"


@pytest.mark.parametrize(("tracking_uri", "n_known"), [("sqlite:////x.db", 0), (SERVER, 2)])
def test_sent_records_are_known_for_a_server_but_not_for_a_database(node, tracking_uri, n_known):
    with node("a") as (mirror, _):
        config = sweep_on(mirror, SERVER)
        config.folder.mkdir()
        tracker = told(config, mirror, 1)
        Outbox(config.folder).mark_sent(2)
        tracker.close(0.1)
    with node("b") as (mirror, _):
        config = sweep_on(mirror, tracking_uri)
        fetch_study(config)
        assert Outbox(config.folder).n_sent == n_known
        assert (config.folder / SENT).exists() is (n_known > 0)


def test_another_machine_gets_the_small_files_of_a_study_and_loses_its_own(node):
    small = {STUDY_FILE, "optuna.journal", "trials/t1.json", "trials/t1.png", "trials/t1.jsonl"}
    with node("a") as (mirror, _):
        folder = sweep_on(mirror).folder
        write_all(folder, {*small, "trials/t1/weights.pt"})
        mirror.push_tree(folder)
    with node("b") as (mirror, _):
        config = sweep_on(mirror)
        write_all(config.folder, {"trials/t0.json", "tracking.json"})
        fetch_study(config)
        assert files_in(config.folder) == small | {"tracking.json"}


def test_a_report_gets_its_files_and_no_weights(node):
    with node("a") as (mirror, folder):
        write_all(folder / "study", {STUDY_FILE, "trials/t1.json", "trials/t1.png", "weights.pt"})
        write_all(folder / "latents", {"manifest.json"})
        mirror.push_tree(folder)
    with node("b") as (mirror, folder):
        assert fetch_reported(folder, mirror) == [folder / "study"]
        assert files_in(folder / "study") == {STUDY_FILE, "trials/t1.json", "trials/t1.png"}


def test_the_results_of_a_study_are_pushed_as_far_as_they_exist(node):
    with node("a") as (mirror, folder):
        write_all(folder / "study", {STUDY_FILE, "trials.csv", "report.html", "weights.pt"})
        push_files(folder / "study", mirror)
    with node("b") as (mirror, folder):
        assert mirror.names(folder / "study") == ["report.html", STUDY_FILE, "trials.csv"]


@pytest.mark.parametrize(("is_continued", "n_known"), [(False, 2), (True, 0)])
def test_a_database_gets_all_records_again_if_another_machine_added_some(
    node, is_continued, n_known
):
    with node("a") as (mirror, _):
        sweep_on(mirror).folder.mkdir()
        told(sweep_on(mirror, SERVER), mirror, 1)
        Outbox(sweep_on(mirror).folder).mark_sent(2)
    if is_continued:
        with node("b") as (mirror, _):
            fetch_study(sweep_on(mirror, SERVER))
            told(sweep_on(mirror, SERVER), mirror, 1)
    with node("a") as (mirror, _):
        config = sweep_on(mirror, "sqlite:////x.db")
        fetch_study(config)
        assert Outbox(config.folder).n_sent == n_known


def test_a_host_without_credentials_reports_this(node, environment):
    with node("a") as (mirror, folder):
        assert observe(folder, "10.77.0.2", sharing=mirror).storage_error == ""
        environment.setenv("AWS_ENDPOINT_URL", SERVER)
        assert (
            "check that AWS_ENDPOINT_URL is right"
            in observe(folder, "10.77.0.2", sharing=mirror).storage_error
        )


def test_a_sweep_on_a_cluster_accepts_a_url():
    assert storage_of(["--storage", "s3://bucket/prefix"]) == "s3://bucket/prefix"


@pytest.mark.usefixtures("environment")
def test_the_doctor_writes_reads_and_removes_an_object(url, endpoint):
    shown = CliRunner().invoke(app, ["doctor", "--crop", "pancreas", "--storage", url])
    assert shown.exit_code == 0, shown.output
    assert f"ok       object storage: {url}: an object was written, read and rem" in shown.output
    shown = CliRunner().invoke(app, ["doctor", "--crop", "pancreas", "--storage", "s3://nobody/x"])
    assert shown.exit_code == 1
    assert "MISSING  object storage" in shown.output and "create the bucket" in shown.output
    assert endpoint in shown.output


@pytest.mark.usefixtures("environment")
def test_a_sweep_with_a_missing_bucket_ends_before_ray_starts(phantom_folder):
    error = refusal("--crop", "pancreas", "--data", phantom_folder, "--storage", "s3://nobody/x")
    assert len(error.splitlines()) == 1
    assert "s3://nobody/x" in error and "create the bucket" in error


def test_another_scheme_is_refused():
    error = refusal("--crop", "pancreas", "--storage", "gs://bucket/x")
    assert "s3://BUCKET/PREFIX" in error
