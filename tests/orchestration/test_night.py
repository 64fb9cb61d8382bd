"""A night that starts no sweep, and how a night calls the doctor, sweeps and a cluster."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import pytest
from ray.job_submission import JobStatus
from typer.testing import CliRunner

import tune
from ldm.config import Crop
from ldm.errors import InputError
from ldm.files.json_file import write_dataclass
from orchestration.hosts.sweep_job import running_sweeps, storage_of
from orchestration.night.checks import Ailment, examine
from orchestration.night.config import read_nightly_config
from orchestration.night.night import Night
from orchestration.night.report import write_night
from orchestration.night.sweep import Task, failure_of, sweep_environment, sweep_options
from orchestration.study.sweep_outcome import broken_off, concluded
from tests.support.repository import ROOT
from tests.support.small_nights import night, study

LEAST = 'crops: [pancreas]\nuntil: "06:00"\nstorage: results\n'
TWO_CROPS = (Crop.PANCREAS, Crop.FULL_BODY)
SECRET_URI = "http://user:secret@mlflow.lab:5000"


@pytest.fixture
def config(tmp_path):
    def of(more=""):
        (tmp_path / "nightly.yaml").write_text(LEAST + more)
        return read_nightly_config(tmp_path / "nightly.yaml")

    return of


def task(tmp_path, **changes):
    usual = {
        "crop": Crop.PANCREAS,
        "night": "2026-01-30",
        "n_known": 5,
        "until": datetime.fromisoformat("2026-01-31T06:00:00+01:00"),
        "rescored": None,
        "log": tmp_path / "log",
        "outcome": str(tmp_path / "outcome.json"),
    }
    return Task(**usual | changes)


@pytest.fixture
def unfit(tmp_path):
    """Run a night whose scans are missing. Returns its process and the folder of its reports."""
    config = tmp_path / "nightly.yaml"
    config.write_text(LEAST + "data: nowhere\n")
    line = [sys.executable, "-m", "pancreatune", "nightly", "--config", str(config)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    return done, tmp_path / "results"


def test_a_night_that_lacks_something_starts_no_sweep_and_says_why(unfit):
    done, storage = unfit
    assert done.returncode == 1, done.stdout + done.stderr
    first = (storage / "nightly" / "latest.md").read_text().splitlines()[0]
    assert first.startswith("ATTENTION: scans: ")
    assert "medicaldecathlon.com" in first
    assert first in done.stdout
    assert [path.name for path in storage.iterdir()] == ["nightly"]


@pytest.mark.slow
def test_a_problem_of_two_crops_is_reported_once(config):
    found = list(examine(replace(config("data: nowhere\n"), crops=TWO_CROPS)))
    assert len([one for one in found if one.line.startswith("scans: ")]) == 1


@pytest.mark.slow
def test_an_unreachable_mlflow_does_not_prevent_a_night(config):
    (away,) = examine(config("tracking_uri: http://127.0.0.1:9\n"))
    assert away.line.startswith("MLflow: http://127.0.0.1:9")
    assert not away.needed


@pytest.mark.slow
def test_missing_gpus_are_reported(config):
    found = list(examine(config("gpus: 99\n")))
    assert found[0] == Ailment(
        line="GPUs: this machine has 0, the night needs 99: run nvidia-smi", needed=True
    )


@pytest.mark.slow
def test_gpus_of_this_machine_are_not_checked_for_a_cluster(config):
    assert list(examine(config("gpus: 99\naddress: auto\n"))) == []


@pytest.mark.slow
def test_weights_for_phantoms_are_no_problem_if_allowed(config, folder):
    lines = [one.line for one in examine(config(f"data: {folder}\n"))]
    assert any(line.startswith("autoencoder: ") for line in lines)
    assert list(examine(config(f"data: {folder}\nallow_phantom_weights: true\n"))) == []


def test_a_night_adds_its_trials_to_existing_ones(config, tmp_path):
    options = sweep_options(config("trials: 2\n"), task(tmp_path))
    assert "--trials=7" in options
    assert "--until=2026-01-31T" in " ".join(options)
    as_many = sweep_options(config(), task(tmp_path))
    assert "--trials=1005" in as_many


def test_a_night_searches_and_stops_as_its_file_says(config, tmp_path):
    options = sweep_options(config(), task(tmp_path))
    assert "--sampler=gp" in options
    assert "--no-stop-early" not in options
    other = sweep_options(config("sampler: tpe\nstop_early: false\n"), task(tmp_path))
    assert "--sampler=tpe" in other
    assert "--no-stop-early" in other


def test_sweeps_accept_every_option_that_a_night_gives(config, tmp_path):
    more = "data: d\nautoencoder: a\ntotalsegmentator_weights: w\nepochs: 4\nhash_cases: true\n"
    more += "labels: pancreas=4\nsemi_body_holds_pancreas: true\n"
    read = config(more + "allow_phantom_weights: true\n")
    options = sweep_options(read, task(tmp_path, crop=Crop.SEMI_BODY, rescored=tmp_path / "again"))
    shown = CliRunner().invoke(tune.app, [*options, "--help"])
    assert shown.exit_code == 0, shown.output
    assert CliRunner().invoke(tune.app, [*options, "--no-such", "--help"]).exit_code == 2


def test_only_the_semi_body_study_of_a_night_holds_the_pancreas(config, tmp_path):
    read = config("semi_body_holds_pancreas: true\n")
    assert "--semi-body-holds-pancreas" not in sweep_options(read, task(tmp_path))
    assert "--semi-body-holds-pancreas" in sweep_options(read, task(tmp_path, crop=Crop.SEMI_BODY))


def test_a_password_is_not_in_the_list_of_processes(config, tmp_path):
    read = config(f"tracking_uri: {SECRET_URI}\n")
    assert "secret" not in " ".join(sweep_options(read, task(tmp_path)))
    assert sweep_environment(read)["MLFLOW_TRACKING_URI"] == SECRET_URI


def test_the_sweep_of_a_killed_night_is_found_on_the_cluster(config, tmp_path):
    storage = storage_of(sweep_options(config(), task(tmp_path)))
    jobs = [
        SimpleNamespace(submission_id=name, status=status, metadata=metadata)
        for name, status, metadata in (
            ("sweep-1", JobStatus.RUNNING, {"storage": storage}),
            ("sweep-2", JobStatus.SUCCEEDED, {"storage": storage}),
            ("sweep-3", JobStatus.RUNNING, {"storage": f"{storage}-2"}),
            ("sweep-4", JobStatus.RUNNING, None),
            ("other", JobStatus.RUNNING, {"storage": storage}),
        )
    ]
    client = SimpleNamespace(list_jobs=lambda: jobs)
    assert storage == str(tmp_path / "results")
    assert running_sweeps(client, storage) == ["sweep-1"]


def test_crops_share_the_remaining_time(config):
    read = replace(config(), crops=TWO_CROPS)
    begun = datetime.now().astimezone()
    end = read.ends_after(begun)
    night = Night(read, begun=begun, end=end, lock=-1, console=None)
    half = begun + (end - begun) / 2
    assert abs((night._share(Crop.PANCREAS) - half).total_seconds()) < 1
    assert abs((night._share(Crop.FULL_BODY) - end).total_seconds()) < 1


def test_a_sweep_with_failed_trials_counts_as_ended(tmp_path):
    ended = concluded(["complete", "failed"], results="/storage/study", exit_code=1)
    assert failure_of(ended, 1, tmp_path / "log") == ""


def test_an_error_that_stopped_a_sweep_is_reported_on_one_line(tmp_path):
    alike = InputError("hosts must be alike", details=["Ray is 2.59 on h2"], remedy="update h2")
    told = failure_of(broken_off(alike), 2, tmp_path / "log")
    assert told == "exit code 2: hosts must be alike: Ray is 2.59 on h2 update h2"


@pytest.mark.parametrize(
    ("log", "end"),
    [
        ("Traceback\nRuntimeError: no more files\n\n", "RuntimeError: no more files"),
        ("", "no output"),
    ],
)
def test_the_last_line_of_the_log_is_quoted_if_a_sweep_has_no_outcome(log, end, tmp_path):
    (tmp_path / "log").write_text(log)
    assert failure_of(None, 1, tmp_path / "log") == f"exit code 1: {end}"


def test_a_night_reads_the_outcome_file_of_a_sweep_instead_of_its_output(
    config, tmp_path, monkeypatch
):
    given = task(tmp_path)

    def sweep_that_has_no_room(*_):
        given.log.write_text("results: /storage/study\n")
        write_dataclass(tmp_path / "outcome.json", broken_off(InputError("no room")))
        return 2

    monkeypatch.setattr("orchestration.night.night.sweep_here", sweep_that_has_no_room)
    assert a_night(config())._run(given) == "exit code 2: no room"


def test_an_unreachable_cluster_is_reported_and_ends_no_other_study(config, tmp_path):
    (tmp_path / "cluster.yaml").write_text("nothing")
    night = a_night(config("cluster: cluster.yaml\n"))
    assert "cluster.yaml must be a cluster's YAML file" in night._run(task(tmp_path))


def test_a_night_is_compared_with_the_last_one_that_ran_a_sweep(config):
    nightly = config().folder / "nightly"
    nightly.mkdir(parents=True)
    write_night(nightly, night(study(), name="2026-01-28"), None)
    write_night(nightly, night(name="2026-01-29", problems=["killed"]), None)
    assert a_night(config())._before.name == "2026-01-28"


def test_a_second_night_of_a_date_has_another_name(config):
    nightly = config().folder / "nightly"
    nightly.mkdir(parents=True)
    write_night(nightly, night(study(), name="2026-01-30"), None)
    assert a_night(config())._report.name == "2026-01-30-2"


def test_reports_of_the_last_nights_are_kept_and_older_ones_removed(config):
    nightly = config().folder / "nightly"
    nightly.mkdir(parents=True)
    for day in (27, 28, 29):
        write_night(nightly, night(study(), name=f"2026-01-{day}"), None)
    a_night(config("keep: 2\n"))._forget()
    left = sorted(path.name for path in nightly.glob("2026*.md"))
    assert left == ["2026-01-28.md", "2026-01-29.md"]


def a_night(config, begun="2026-01-30T20:00:00+01:00"):
    begun = datetime.fromisoformat(begun)
    return Night(config, begun=begun, end=config.ends_after(begun), lock=-1, console=None)
