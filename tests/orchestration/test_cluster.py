"""How resources are divided, and how a sweep joins a real cluster that asks for a token."""

import os
import secrets
import subprocess
import sys

import pytest

from ldm.errors import InputError
from orchestration.cluster import plan_slots, present_token
from tests.support.command_line import refusal, run_tune
from tests.support.ray_nodes import running_cluster
from tests.support.repository import ROOT

PROXY = "http://proxy.hospital:3128"


def test_without_gpus_two_trials_share_the_cores():
    slots = plan_slots(2, 0)
    assert (slots.n_concurrent, slots.trial_cpus, slots.trial_gpus) == (2, 1, 0)


def test_one_core_runs_one_trial_at_a_time():
    assert plan_slots(1, 0).n_concurrent == 1


def test_a_single_gpu_is_shared_with_the_evaluator():
    slots = plan_slots(16, 1)
    assert slots.n_concurrent == 1
    assert slots.trial_gpus + slots.evaluator_gpus == 1


def test_one_of_several_gpus_belongs_to_the_evaluator():
    slots = plan_slots(64, 8)
    assert (slots.n_concurrent, slots.trial_gpus, slots.evaluator_gpus) == (7, 1, 1)


def test_workers_of_one_trial_get_a_gpu_each():
    slots = plan_slots(64, 9, n_workers=4)
    assert (slots.n_concurrent, slots.trial_gpus, slots.evaluator_gpus) == (2, 1, 1)
    assert plan_slots(64, 4, n_workers=4).trial_gpus < 1  # the evaluator shares one of them


def test_workers_of_one_trial_share_the_cores():
    slots = plan_slots(8, 0, n_workers=2)
    assert (slots.n_concurrent, slots.trial_cpus) == (2, 2)
    assert plan_slots(2, 0, n_workers=2).n_concurrent == 1


def test_a_worker_reserves_at_most_the_cores_of_the_smallest_host():
    # There are three hosts with 2 CPUs, so a worker with 6 // 2 CPUs would never start.
    slots = plan_slots(6, 0, host_cpus=2)
    assert (slots.n_concurrent, slots.trial_cpus) == (2, 2)


@pytest.mark.parametrize(("n_cpus", "n_gpus"), [(2, 0), (64, 2)])
def test_more_workers_than_cores_or_gpus_are_refused(n_cpus, n_gpus):
    with pytest.raises(InputError, match=r"--workers must be at most .* 3 is more than 2"):
        plan_slots(n_cpus, n_gpus, n_workers=3)


@pytest.fixture
def no_ray_environment(monkeypatch, tmp_path):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")  # lets pytest undo what the test sets
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_token_in_the_home_folder_is_presented(no_ray_environment):
    (no_ray_environment / ".ray").mkdir()
    (no_ray_environment / ".ray" / "auth_token").write_text("token")
    present_token()
    assert os.environ["RAY_AUTH_MODE"] == "token"


@pytest.mark.usefixtures("no_ray_environment")
def test_authentication_stays_off_without_a_token():
    present_token()
    assert "RAY_AUTH_MODE" not in os.environ


@pytest.mark.usefixtures("no_ray_environment")
def test_an_authentication_mode_of_the_user_is_kept(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "token")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    present_token()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A running head that asks for a token."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_joins_a_running_cluster(cluster, phantom_folder, tmp_path):
    done = run_tune(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path),
        *("--trials", 1, "--epochs", 4, "--address", cluster.address),
        timeout=400,
        RAY_AUTH_TOKEN_PATH=str(cluster.token),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "real scans: " in done.stdout


@pytest.mark.slow
def test_the_error_of_a_wrong_token_says_how_to_get_the_right_one(
    cluster, phantom_folder, tmp_path
):
    (tmp_path / "another").write_text(secrets.token_hex(32))
    error = refusal(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path / "results"),
        *("--trials", 1, "--epochs", 4, "--address", cluster.address),
        RAY_AUTH_TOKEN_PATH=str(tmp_path / "another"),
    )
    assert "copy ~/.ray/auth_token from its head" in error


SHOW_NO_PROXY = """
import os, sys, time
import ray
from orchestration.cluster import connect
connect(sys.argv[1])
while sum(node["Alive"] for node in ray.nodes()) < 2:
    time.sleep(0.2)
ray.shutdown()  # workers may have started before the second host was there
connect(sys.argv[1])
print(ray.get(ray.remote(lambda: os.environ["no_proxy"]).remote()))
ray.shutdown()
"""


@pytest.mark.slow
def test_workers_reach_every_host_of_the_cluster_past_a_proxy(cluster):
    cluster.join("--node-ip-address", "127.0.0.2")
    done = subprocess.run(
        [sys.executable, "-c", SHOW_NO_PROXY, cluster.address],
        cwd=ROOT,
        env=os.environ | cluster.environment | {"http_proxy": PROXY},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    exempt = done.stdout.splitlines()[-1].split(",")
    assert {"127.0.0.1", "127.0.0.2"} <= set(exempt)
