"""What keeps Ray from starting on a host is one error with its remedy, wherever it is met."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ldm.errors import InputError
from orchestration import cluster
from orchestration.cluster import check_reachable, connect
from orchestration.private_ray import longest_socket
from orchestration.ray_host import check_host, host_errors, notes
from pancreatune.program import app
from tests.support.command_line import dry_run, refusal_here

NOWHERE = "/dev/null/home"  # below a file, so that not even root can make it
N_FIT = 107 - len(longest_socket()) - 1  # bytes of the longest folder, with a slash after it


def folder_of(n_bytes):
    return f"/tmp/{'x' * (n_bytes - 5)}"


def spoil_tmpdir(environment, _):
    environment.setenv("TMPDIR", folder_of(N_FIT + 1))


def spoil_home(environment, tmp_path):
    environment.setenv("HOME", NOWHERE)
    environment.setenv("XDG_CACHE_HOME", str(tmp_path))
    environment.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    environment.delenv("RAY_AUTH_MODE", raising=False)


FAULTS = [
    pytest.param(spoil_tmpdir, "TMPDIR must have at most", id="TMPDIR"),
    pytest.param(spoil_home, "token in the home folder", id="HOME"),
]


faults = pytest.mark.parametrize(("spoil", "error"), FAULTS)


@faults
def test_joining_none_says_why_ray_cannot_start(spoil, error, monkeypatch, tmp_path):
    spoil(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=error):
        connect(None)


@faults
def test_a_dry_run_ends_with_the_same_error(spoil, error, monkeypatch, phantom_folder, tmp_path):
    spoil(monkeypatch, tmp_path)
    shown = refusal_here(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path, "--dry-run")
    )
    assert error in shown


@faults
def test_the_doctor_shows_it_as_missing(spoil, error, monkeypatch, phantom_folder, tmp_path):
    spoil(monkeypatch, tmp_path)
    done = CliRunner().invoke(
        app,
        ["doctor", "--crop=pancreas", f"--data={phantom_folder}", f"--storage={tmp_path}"],
        env={"COLUMNS": "200"},
    )
    assert done.exit_code == 1
    (line,) = (line for line in done.output.splitlines() if line.startswith("MISSING"))
    assert error in line


def test_a_folder_that_just_fits_is_accepted(monkeypatch):
    monkeypatch.setenv("TMPDIR", folder_of(N_FIT))
    check_host()


@pytest.mark.parametrize(("n_bytes", "changed"), [(N_FIT + 1, "RAY_TMPDIR"), (85, "TMPDIR")])
def test_the_variable_to_set_solves_all_of_it(monkeypatch, n_bytes, changed):
    """Python's own sockets fit into a folder of 75 bytes."""
    monkeypatch.setenv("TMPDIR", folder_of(n_bytes))
    with pytest.raises(InputError, match=f"set {changed} to"):
        check_host()
    monkeypatch.setenv(changed, "/tmp")
    check_host()


def test_the_folder_that_only_ray_uses_is_looked_at_instead(monkeypatch):
    monkeypatch.setenv("TMPDIR", folder_of(N_FIT + 1))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    check_host()


def test_a_temporary_folder_that_cannot_be_made_is_refused(monkeypatch):
    monkeypatch.setenv("TMPDIR", NOWHERE)
    with pytest.raises(InputError, match="must be able to make sockets in its temporary folder"):
        check_host()


def test_a_home_that_cannot_be_written_is_fine_for_a_user_who_has_a_token(monkeypatch, tmp_path):
    spoil_home(monkeypatch, tmp_path)
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert list(host_errors()) == []


def test_a_sweep_needs_a_cache_that_can_be_written(monkeypatch, phantom_folder, tmp_path):
    monkeypatch.setenv("HOME", NOWHERE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    options = ("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path)
    assert "set HOME or XDG_CACHE_HOME to a folder that you can write to" in refusal_here(*options)


def test_a_proxy_is_noted_without_its_password(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.hospital:3128")
    (note,) = (note for note in notes() if "proxy" in note)
    assert "https through http://***@proxy.hospital:3128" in note
    assert "are reached without it" in note


def test_another_ray_on_the_host_is_noted(monkeypatch):
    monkeypatch.setattr("orchestration.ray_host.running_clusters", lambda: ["10.0.0.1:6379"])
    (note,) = (note for note in notes() if "another Ray" in note)
    assert "(10.0.0.1:6379)" in note


def test_auto_is_refused_where_it_could_mean_several_clusters(monkeypatch):
    running = ["10.0.0.1:6379", "10.0.0.1:6380"]
    monkeypatch.setattr(cluster, "recorded_cluster", lambda: None)
    monkeypatch.setattr(cluster, "running_clusters", lambda: running)
    with pytest.raises(InputError, match=r"there are 10.0.0.1:6379, 10.0.0.1:6380: give the one"):
        connect("auto")


def test_auto_is_refused_at_once_where_no_ray_runs(monkeypatch):
    monkeypatch.setattr(cluster, "recorded_cluster", lambda: None)
    monkeypatch.setattr(cluster, "running_clusters", list)
    with pytest.raises(InputError, match="auto did not answer"):
        connect("auto")


@pytest.mark.parametrize("address", ["ray://head:10001", "http://head:8265", "head", ":6379"])
def test_an_address_of_another_kind_is_refused(address):
    with pytest.raises(InputError, match="must be auto or HOST:PORT of a Ray cluster"):
        check_reachable(address)


@pytest.mark.parametrize(
    ("recipe", "remedy"),
    [
        ("demo", "train one on CT: pancreatune train-auto"),
        ("full", "get MONAI's model_autoencoder"),
    ],
)
def test_a_dry_run_on_real_scans_says_which_weights_are_needed(folder, recipe, remedy, tmp_path):
    shown = dry_run(
        *("--crop", "semi-body", "--data", folder, "--storage", tmp_path / "results"),
        *("--recipe", recipe),
    )
    assert f"weights needed: autoencoder: {remedy}" in shown
    for task in ("total_fast", "body_fast"):
        assert f"totalseg_download_weights -t {task}" in shown
    assert not Path(tmp_path / "results").exists()


def test_weights_that_are_given_must_exist_in_a_dry_run_too(folder, tmp_path):
    options = ("--crop", "pancreas", "--data", folder, "--storage", tmp_path, "--dry-run")
    assert "--autoencoder must be a file" in refusal_here(*options, "--autoencoder", "missing.pt")
