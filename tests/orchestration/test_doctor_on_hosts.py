"""The doctor checks the nodes of a real cluster: two that match, and one that differs."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.support.ray_nodes import running_cluster
from tests.support.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# Runs a node with its own mounts and host name.
OWN = ("unshare", "--mount", "--uts", "sh", "-c")
OTHER_HOST = (*OWN, 'mount -t tmpfs none "$0" && hostname other && exec "$@"')
ANOTHER_CLOCK = "import time\nnow = time.time\ntime.time = lambda: now() + 5.0\n"
HOSTS = """
import sys, time, ray
ray.init(sys.argv[1], logging_level="ERROR")
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(0.5)
"""


def run(cluster, *words):
    environment = os.environ | cluster.environment | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, *map(str, words)]
    return subprocess.run(
        line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=180
    )


def doctor(cluster, storage, n_hosts):
    """Return the exit code and the findings about all hosts, by subject."""
    assert run(cluster, "-c", HOSTS, cluster.address, n_hosts).returncode == 0
    asked = ("--crop", "pancreas", "--address", cluster.address, "--storage", storage, "--json")
    done = run(cluster, "-m", "pancreatune", "doctor", *asked)
    found = {one["name"]: one for one in json.loads(done.stdout)}
    return done.returncode, {n.split()[0]: one for n, one in found.items() if "on all" in n}


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.join()
        yield cluster


@pytest.fixture(scope="module")
def alike(cluster, storage):
    return doctor(cluster, storage, 2)


@pytest.fixture(scope="module")
def unlike(cluster, storage, alike, tmp_path_factory):
    """The findings with a third node that has an older MONAI, a fast clock and its own storage."""
    assert alike
    if os.geteuid() or subprocess.run([*OWN, "true"], check=False).returncode:
        pytest.skip("a node with another folder in the storage's place needs root")
    environment = tmp_path_factory.mktemp("environment")
    package = environment / "monai-0.0.1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: monai\nVersion: 0.0.1\n")
    (environment / "sitecustomize.py").write_text(ANOTHER_CLOCK)
    before, path = (*OTHER_HOST, str(storage)), f"{environment}{os.pathsep}{ROOT}"
    cluster.join(before=before, PYTHONPATH=path)
    return doctor(cluster, storage, 3)


def test_nothing_is_missing_if_all_hosts_match(alike):
    code, found = alike
    assert code == 0, found
    assert set(found) == {"versions", "storage", "clocks", "GPUs"}
    assert "on 2 hosts" in found["versions"]["seen"]


def test_the_checks_leave_nothing_in_the_storage(alike, storage):
    assert alike
    assert not list(storage.iterdir())


def test_a_host_that_differs_fails_only_the_checks_of_what_differs(unlike):
    code, found = unlike
    assert code == 1
    assert {name for name, one in found.items() if not one["is_here"]} == {
        *("versions", "storage", "clocks")
    }


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("versions", "monai is 0.0.1 on "),
        ("storage", "is a different folder there"),
        ("clocks", " is +5.0 s off the clock here"),
    ],
)
def test_the_finding_names_the_host_and_what_differs(unlike, subject, said):
    assert said in unlike[1][subject]["seen"]
    assert re.findall(r"\((\S+)\)", unlike[1][subject]["seen"]) == ["other"]
    assert unlike[1][subject]["remedy"]
