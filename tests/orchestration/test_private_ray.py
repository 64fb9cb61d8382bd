"""The private parts of Ray that are used still work in the installed version."""

import importlib
import logging
import os
from pathlib import Path

import psutil
import pytest

from orchestration.cluster import connect, n_nvidia_gpus
from orchestration.private_ray import (
    AUTHENTICATION_LOGGER,
    HEAD_RESOURCE,
    JOB_LOGGERS,
    LOOPBACK_ONLY,
    NO_PREEMPTION_WATCHER,
    STARTUP_LIMIT,
    TUNE_LOGGERS,
    forget_cluster,
    is_head,
    longest_socket,
    on_head,
    quiet_dashboard,
)

PID_MAX = Path("/proc/sys/kernel/pid_max")


@pytest.fixture(scope="module")
def running_ray():
    import ray

    connect(None)
    yield ray
    ray.shutdown()


def process_id():
    return os.getpid()


def test_tasks_with_the_heads_resource_run_on_the_head(running_ray):
    (node,) = running_ray.nodes()
    assert is_head(node)
    assert node["Resources"][HEAD_RESOURCE] == 1
    needed = on_head()
    task = running_ray.remote(process_id)
    asked = task.options(num_cpus=needed.pop("CPU"), resources=needed).remote()
    assert running_ray.get(asked, timeout=60)


def reached():
    return {name: os.environ.get(name) for name in ("RAY_ADDRESS", "no_proxy", "NO_PROXY")}


def test_workers_know_the_address_of_their_cluster_and_reach_it_past_a_proxy(running_ray):
    there = running_ray.get(running_ray.remote(reached).remote(), timeout=60)
    assert there["RAY_ADDRESS"] == running_ray.get_runtime_context().gcs_address
    host = there["RAY_ADDRESS"].rpartition(":")[0]
    assert {"127.0.0.1", host} <= set(there["no_proxy"].split(","))
    assert there["no_proxy"] == there["NO_PROXY"]


def test_a_node_without_the_heads_resource_is_not_the_head():
    assert not is_head({"Resources": {"CPU": 2.0, "node:10.77.0.2": 1.0}})


@pytest.mark.usefixtures("running_ray")
def test_the_dashboard_has_a_home_of_its_own():
    own = psutil.Process().children(recursive=True)
    (dashboard,) = (one for one in own if "dashboard/dashboard.py" in " ".join(one.cmdline()))
    home = Path(dashboard.environ()["HOME"])
    assert home.name.startswith("ray-dashboard-home-")
    assert (home / "ray_bootstrap_config.yaml").read_text() == ""


def test_no_socket_of_ray_has_a_longer_path_than_is_assumed(running_ray):
    session = Path(running_ray._private.worker._global_node.get_session_dir_path())
    sockets = [path for path in session.rglob("*") if path.is_socket()]
    paths = [str(path.relative_to(session.parents[1])) for path in sockets]
    pid = session.name.rpartition("_")[2]
    n_assumed = len(longest_socket()) - len(str(int(PID_MAX.read_text()) - 1)) + len(pid)
    assert max(map(len, paths)) == n_assumed


def test_starting_dashboards_is_restored_afterwards():
    from ray._private import services

    before = services.start_api_server
    with quiet_dashboard():
        assert services.start_api_server is not before
    assert services.start_api_server is before


def test_gpus_are_counted_as_ray_counts_them():
    from ray._private.accelerators import NvidiaGPUAcceleratorManager

    assert n_nvidia_gpus() == NvidiaGPUAcceleratorManager.get_current_node_num_accelerators()


@pytest.mark.parametrize("name", [*TUNE_LOGGERS, *JOB_LOGGERS])
def test_a_module_of_ray_logs_under_this_name(name):
    assert importlib.import_module(name).logger.name == name


def test_rays_message_about_tokens_comes_from_this_logger():
    from ray._private.authentication import authentication_token_setup as module

    assert logging.getLogger(AUTHENTICATION_LOGGER) in (module.logger, module.logger.parent)


def test_ray_reads_these_variables_by_these_names():
    from ray._private.ray_constants import ENABLE_RAY_CLUSTERS_ENV_VAR
    from ray.train.v2._internal.constants import ENABLE_PREEMPTION_WATCHER_ENV_VAR

    assert list(LOOPBACK_ONLY) == [ENABLE_RAY_CLUSTERS_ENV_VAR]
    assert list(NO_PREEMPTION_WATCHER) == [ENABLE_PREEMPTION_WATCHER_ENV_VAR]


def test_rays_raylet_knows_the_limit_of_processes_that_start_at_once():
    import ray

    (name,) = STARTUP_LIMIT
    raylet = Path(ray.__file__).parent / "core" / "src" / "ray" / "raylet" / "raylet"
    assert name.removeprefix("RAY_").encode() in raylet.read_bytes()


def test_the_removed_file_is_that_of_rays_cluster_launcher():
    from ray.autoscaler._private.local.config import get_state_path

    assert forget_cluster("lab") == f"rm -f {get_state_path('lab')}"
