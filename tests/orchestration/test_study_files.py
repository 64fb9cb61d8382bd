"""How machines exchange the files of a study at a URL."""

import dataclasses
import pickle

import optuna
import pytest
from typer.testing import CliRunner

from evaluation.organs.weights import networks_for
from ldm.config import Crop, InputSize
from ldm.data.cohort.cohort import Split
from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from ldm.errors import InputError
from ldm.recipes import demo
from orchestration.hosts.sweep_job import storage_of
from orchestration.preflight.node_checks import observe
from orchestration.scoring.evaluator_config import EvaluatorConfig, ScoringFolders
from orchestration.search.searcher import make_searcher, study_storage
from orchestration.settings import claim_storage
from orchestration.study.facts import STUDY_FILE
from orchestration.study.files import fetch_reported, fetch_study, push_files
from orchestration.study.inputs import fetched_scan, files_of_hosts, hand_over_inputs
from orchestration.study.ledger import Ledger
from orchestration.study.outbox import SENT, SWEEP, Outbox
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.tracking import Tracker
from pancreatune.program import app
from tests.support.command_line import refusal
from tests.support.s3_server import BUCKET
from tests.support.small_sweep import small_sweep
from tests.support.small_task07 import usable

SERVER = "http://127.0.0.1:9"  # nobody answers there


def sweep_on(mirror, tracking_uri="sqlite://", **changes):
    config = small_sweep(mirror.folder)
    return dataclasses.replace(config, sharing=mirror, tracking_uri=tracking_uri, **changes)


def with_options(config, **changes):
    return dataclasses.replace(config, options=dataclasses.replace(config.options, **changes))


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
        searcher = make_searcher(
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


def write_all(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


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


def test_phantoms_of_a_cluster_are_fetched_scan_by_scan(node):
    with node("a") as (mirror, folder):
        cohort = ensure_phantom_cohort(folder, n_scans=2, n_workers=1)
        config = with_options(sweep_on(mirror, cohort=cohort), address="auto")
        assert hand_over_inputs(config) == config
        scan = usable("phantom_001", Split.TRAIN, image=cohort / "imagesTr" / "phantom_001.nii.gz")
    with node("b") as (mirror, folder):
        found = fetched_scan(scan, mirror).case.image
        assert folder in found.parents
        assert found.read_bytes() == scan.case.image.read_bytes()
        assert len(list(folder.rglob("*.nii.gz"))) == 1


def test_given_weights_are_pushed_once_and_found(node, tmp_path):
    given = tmp_path / "model.pt"
    given.write_bytes(b"weights")
    write_all(tmp_path / "scans", {"a.nii.gz"})
    with node("a") as (mirror, _):
        config = sweep_on(mirror, autoencoder=given, cohort=tmp_path / "scans")
        config = with_options(config, address="auto")
        shared = hand_over_inputs(config).autoencoder
        assert hand_over_inputs(config).autoencoder == shared
        alone = with_options(config, address=None)
        assert hand_over_inputs(alone) == alone
    with node("b") as (mirror, _):
        assert mirror.fetch(mirror.here(shared))
        assert mirror.here(shared).read_bytes() == b"weights"


def test_the_weights_of_all_networks_of_a_crop_are_pushed(node, tmp_path):
    given = tmp_path / "weights"
    (model, *_) = models = networks_for(Crop.PANCREAS)
    for one in models:
        write_all(one.folder_in(given), {"plans.json", "fold_0/checkpoint_final.pth"})
    with node("a") as (mirror, _):
        config = with_options(sweep_on(mirror, segmenter_weights=given), address="auto")
        shared = hand_over_inputs(config).segmenter_weights
        (model.folder_in(given) / "plans.json").write_text("another network")
        assert hand_over_inputs(config).segmenter_weights != shared
    with node("b") as (mirror, _):
        here = mirror.here(shared)
        mirror.fetch_tree(here)
        names = {"plans.json", "fold_0/checkpoint_final.pth"}
        assert all(files_in(one.folder_in(here)) == names for one in models)


def test_a_mask_is_fetched_with_its_scan(node):
    with node("a") as (mirror, folder):
        write_all(folder, {"a.nii.gz", "a_mask.nii.gz"})
        mirror.push_tree(folder)
        scan = usable("a", Split.TRAIN, image=folder / "a.nii.gz")
        case = dataclasses.replace(scan.case, mask=folder / "a_mask.nii.gz")
    with node("b") as (mirror, folder):
        found = fetched_scan(dataclasses.replace(scan, case=case), mirror).case
        assert found.image.read_text() == "a.nii.gz" and folder in found.image.parents
        assert found.mask.read_text() == "a_mask.nii.gz" and folder in found.mask.parents


def test_an_evaluator_fetches_its_scans_and_weights_but_no_stores(node):
    inputs = {"a.nii", "a_mask.nii", "model.pt", "weights/plans.json"}
    with node("a") as (mirror, folder):
        write_all(folder, {*inputs, "store/one", "references/one"})
        mirror.push_tree(folder)
        there = evaluator_in(folder, mirror)
    with node("b") as (mirror, folder):
        assert there.here() == evaluator_in(folder, mirror)
        assert files_in(folder) == inputs


def evaluator_in(folder, mirror):
    return EvaluatorConfig(
        base=demo(Crop.PANCREAS),
        images={"a": folder / "a.nii"},
        masks={"a": folder / "a_mask.nii"},
        folders={
            InputSize.FIT: ScoringFolders(store=folder / "store", references=folder / "references")
        },
        autoencoder=folder / "model.pt",
        segmenter_weights=folder / "weights",
        device="cpu",
        n_threads=1,
        sharing=mirror,
    )


def test_the_hosts_of_a_url_need_given_scans_and_nothing_else(node, tmp_path):
    with node("a") as (mirror, folder):
        generated = sweep_on(mirror, cohort=folder / "phantoms", autoencoder=tmp_path / "model.pt")
        assert files_of_hosts(generated) == ()
        given = dataclasses.replace(generated, cohort=tmp_path / "scans")
        assert files_of_hosts(given) == (tmp_path / "scans",)


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
