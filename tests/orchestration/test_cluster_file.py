"""The cluster files of this project pass Ray's validation, and mistakes it misses are found."""

import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from ldm.errors import InputError
from orchestration.hosts.cluster_file import problems, read_cluster_file
from tests.support.cluster_files import AWS, LAB, filled_in
from tests.support.private_ray import validated


@pytest.fixture
def lab():
    return yaml.safe_load(filled_in(LAB))


@pytest.mark.parametrize("path", [LAB, AWS])
def test_our_cluster_files_pass_rays_validation(path):
    validated(yaml.safe_load(filled_in(path)))


def test_ray_starts_every_worker_of_the_lab_and_no_fewer(lab):
    (node_type,) = validated(lab)["available_node_types"].values()
    assert (node_type["min_workers"], node_type["max_workers"]) == (2, 2)


@pytest.mark.parametrize("path", [LAB, AWS])
def test_cluster_files_ask_for_the_tested_version_of_ray(path):
    import ray

    assert f"ray.__version__ == '{ray.__version__}'" in filled_in(path)


def first_of_the_head(path, port):
    """Return the command that keeps `ray up` from restarting a cluster, changed to ``port``."""
    command = yaml.safe_load(filled_in(path))["head_start_ray_commands"][0]
    command = command.replace("10.77.0.1", "127.0.0.1").replace("6379", str(port))
    command = command.replace("$(hostname -I | cut -d' ' -f1)", "127.0.0.1")
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", [LAB, AWS])
def test_a_running_head_is_not_started_again(path):
    with socket.create_server(("127.0.0.1", 0)) as running:
        done = first_of_the_head(path, running.getsockname()[1])
    assert done.returncode == 1
    assert done.stdout.startswith("REFUSED: a cluster is running here")


@pytest.mark.parametrize("path", [LAB, AWS])
def test_a_head_that_is_not_running_is_started(path):
    assert first_of_the_head(path, port=1).returncode == 0


def test_a_filled_in_file_is_read(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(filled_in(LAB))
    read = read_cluster_file(path)
    assert (read.head, read.workers, read.n_hosts) == ("10.77.0.1", ("10.77.0.2", "10.77.0.3"), 3)
    assert (read.ssh_user, read.environment) == ("alice", "/shared/pancreatune/venv/bin")
    assert read.ssh_key == Path.home() / ".ssh/pancreatune_cluster"


def test_rented_workers_are_counted_by_their_types(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(filled_in(AWS))
    read = read_cluster_file(path)
    assert (read.head, read.workers, read.n_hosts, read.ssh_user) == (None, (), 5, "ubuntu")


@pytest.mark.parametrize("path", [LAB, AWS])
def test_our_cluster_files_are_refused_until_they_are_filled_in(path):
    with pytest.raises(InputError, match=r"<\w[\w ]*>, .*: replace it by its value"):
        read_cluster_file(path)


def test_a_head_among_the_workers_is_refused(lab):
    lab["provider"]["worker_ips"].append("10.77.0.1")
    assert problem(lab).startswith("worker_ips names the head, 10.77.0.1")


def test_a_file_without_ssh_user_is_refused(lab):
    del lab["auth"]["ssh_user"]
    assert problem(lab).startswith("auth names no ssh_user")


@pytest.mark.parametrize("address", ["gpu-03", "127.0.1.1"])
def test_a_name_or_loopback_is_refused_as_an_address(lab, address):
    lab["provider"]["worker_ips"][1] = address
    assert problem(lab).startswith(f"'{address}' is not a numeric address")


def test_a_host_named_twice_is_refused(lab):
    lab["provider"]["worker_ips"][1] = "10.77.0.2"
    assert problem(lab).startswith("worker_ips names 10.77.0.2 twice")


def test_a_head_that_starts_with_another_address_is_refused(lab):
    edit(
        lab, "head_start_ray_commands", "--node-ip-address=10.77.0.1", "--node-ip-address=10.0.0.1"
    )
    assert problem(lab).startswith("the head must be told its address")


def test_fewer_workers_than_addresses_are_refused(lab):
    lab["min_workers"] = 1
    assert problem(lab) == "min_workers is 1, worker_ips has 2: leave min_workers out"


@pytest.mark.parametrize(
    "option",
    [
        "--autoscaling-config=~/ray_bootstrap_config.yaml",
        "--dashboard-host=127.0.0.1",
        "--disable-usage-stats",
        "RAY_enable_autoscaler_v2=0",
        "RAY_AUTH_MODE=token",
    ],
)
def test_a_head_without_a_needed_option_is_refused(lab, option):
    edit(lab, "head_start_ray_commands", option, "")
    assert option.startswith(
        problem(lab).split(": ")[0].removeprefix("the head is started without ")
    )


@pytest.mark.parametrize("name", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_an_environment_that_depends_on_the_login_shell_is_refused(lab, name):
    edit(lab, name, "PATH=/shared/pancreatune/venv/bin:$PATH", "")
    assert problem(lab).startswith(f"{name} must name the environment")


@pytest.mark.parametrize("name", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_commands_that_do_not_check_the_storage_are_refused(lab, name):
    lab[name] = [command for command in lab[name] if "mountpoint" not in command]
    assert problem(lab).startswith(f"{name} must check that the storage is mounted")


@pytest.mark.parametrize("name", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_commands_that_do_not_check_the_version_of_ray_are_refused(lab, name):
    lab[name] = [command for command in lab[name] if "ray.__version__" not in command]
    assert problem(lab).startswith(f"{name} must assert ray.__version__")


def test_a_file_that_copies_no_token_is_refused(lab):
    del lab["file_mounts"]
    assert problem(lab).startswith("file_mounts must carry ~/.ray/auth_token")


@pytest.mark.parametrize("text", ["cluster_name: x", "- 1", "a: [", "provider: local"])
def test_a_file_that_is_not_a_cluster_file_is_refused(tmp_path, text):
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="must be a cluster's YAML file"):
        read_cluster_file(path)


def edit(document, name, old, new):
    assert old in document[name][-1]
    document[name][-1] = document[name][-1].replace(old, new)


def problem(document):
    """Return the only problem of a cluster file."""
    (found,) = problems(document)
    return found
