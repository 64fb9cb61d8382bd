"""Several machines, for real: Ray's own cluster launcher, ssh, hosts that die, networks that go.

The files that ship are what runs: the README's section is executed line by line.
"""

import json
import re
import time
from pathlib import Path

import pytest

from tests.support.lab import ADDRESSES, LAUNCH, carry_out, fact
from tests.support.sweep_process import wait_for

pytest_plugins = ("tests.support.lab_fixtures",)
pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(1800)]
STUDY = "pancreas-demo-default"
EPOCHS, CHECKPOINT_EVERY = 160, 20


@pytest.fixture(scope="module")
def swept(lab, readme, filled_in, data):
    """The result of each line of the README, from starting the cluster to stopping it."""
    short = f" --data {data} --trials 1 --epochs 4"
    return filled_in | {
        line: carry_out(lab, line + (short if " submit " in line else "")) for line in readme[1]
    }


@pytest.fixture(scope="module")
def cluster(lab, filled_in):
    """A cluster that runs until the last test of the module."""
    assert filled_in
    shown = bring_up(lab)
    assert "Ray runtime started" in shown, shown
    yield lab
    lab.lap(f"{LAUNCH} down ray_cluster.yaml")


def bring_up(lab):
    return lab.lap("ray up -y ray_cluster.yaml 2>&1")[1]


def submit(lab, data, name, *more):
    """Start a sweep of two trials from the laptop."""
    options = f"--crop pancreas --data {data} --storage {lab.shared}/{name} {' '.join(more)}"
    line = f"exec {LAUNCH} submit ray_cluster.yaml --wait-s 120 -- {options}"
    return lab.begin("lap", f"cd pancreatune; {line}")


def epochs(lab, name):
    """Return all epochs that each trial has reported, including repeated ones."""
    paths = (lab.shared / name / STUDY / "trials").glob("*/loss.jsonl")
    return {
        p.parent.name: [json.loads(line)[0] for line in p.read_text().splitlines()] for p in paths
    }


def training_worker(lab, name):
    """Return a host other than the head that trains a trial with a checkpoint."""
    wait_for(lambda: len(epochs(lab, name)) == 2, "two trials", 900)
    fact(f"{name}: two trials train, epochs {sizes(epochs(lab, name))}")
    wait_for(lambda: min(sizes(epochs(lab, name))) > CHECKPOINT_EVERY + 10, "checkpoints", 900)
    return wait_for(
        lambda: next((h for h in ("h2", "h3") if lab.processes(h, "[r]ay::RayTrainWorker")), None),
        "a trial that trains on h2 or h3",
    )


def went_on_without(lab, data, name, lose, mend):
    """Run a sweep that loses a host during training. Returns what it did and repeated."""
    long = ("--trials", "2", "--epochs", str(EPOCHS), "--no-stop-early")
    sweep = submit(lab, data, name, *long)
    host = training_worker(lab, name)
    before = epochs(lab, name)
    lost_at = time.monotonic()
    lose(host)
    wait_for(lambda: n_repeated(epochs(lab, name)) or sweep.poll() is not None, "a resumed trial")
    fact(f"{name}: {host} lost, a trial went on after {time.monotonic() - lost_at:.0f} s")
    mend(host)
    shown, _ = sweep.communicate(timeout=900)
    after = epochs(lab, name)
    fact(f"{name}: epochs done twice {n_repeated(after)}; reported before {sizes(before)}")
    return sweep.returncode, shown, after


def sizes(reported):
    return [len(done) for done in reported.values()]


def n_repeated(reported):
    return sum(len(done) - len(set(done)) for done in reported.values())


COUNT = """
import ray
ray.init('auto', logging_level='ERROR')
print('hosts', sum(node['Alive'] for node in ray.nodes()))
"""


def living(lab):
    """Return the number of hosts that the head counts. 0 if there is no cluster."""
    code, shown = lab.on("h1", f'export RAY_AUTH_MODE=token; python -c "{COUNT}" 2>/dev/null')
    counted = re.search(r"^hosts (\d)", shown, re.M)
    return int(counted.group(1)) if code == 0 and counted else 0


def test_each_line_of_the_readme_succeeds(swept):
    for line, (code, shown) in swept.items():
        assert code == 0, f"{line}\n{shown}"


def test_submit_and_follow_both_show_the_sweep_of_the_readme(swept):
    shown = {line.split()[2]: done[1] for line, done in swept.items() if LAUNCH in line}
    for verb in ("submit", "follow"):
        assert "3 of 3 hosts" in shown[verb]
        assert "trial 1 demo: done" in shown[verb]
        assert "succeeded" in shown[verb]


@pytest.mark.usefixtures("swept")
def test_down_leaves_no_process_on_any_host(lab):
    left = {host: lab.processes(host) for host in ADDRESSES}
    assert not any(left.values()), left


def test_ray_up_does_not_restart_a_running_cluster(cluster):
    wait_for(lambda: living(cluster) == 3, "three hosts", 120)
    before = cluster.processes("h1", "[g]cs_server")
    code, shown = cluster.lap("ray up -y ray_cluster.yaml 2>&1")
    assert code != 0
    assert "REFUSED: a cluster is running here" in shown
    assert cluster.processes("h1", "[g]cs_server") == before
    assert living(cluster) == 3


def test_a_sweep_can_be_left_and_followed_again(cluster, data):
    sweep = submit(cluster, data, "left", "--trials", "1", "--epochs", "4")
    wait_for(lambda: epochs(cluster, "left"), "a trial")
    cluster.on("lap", "pkill -INT -f '[p]ancreatune cluster submit'")
    shown, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, shown
    (again,) = re.findall(r"to follow it again: (.*)", shown)
    code, shown = cluster.lap(again)
    assert code == 0, shown
    assert "3 of 3 hosts" in shown, "from its beginning"


def test_a_killed_host_costs_the_epochs_since_its_last_checkpoint(cluster, data):
    code, shown, reported = went_on_without(
        cluster, data, "killed", lambda h: cluster.script("killhost", h), cluster.boot
    )
    assert code == 0, shown
    assert [sorted(set(done)) for done in reported.values()] == [list(range(1, EPOCHS + 1))] * 2
    assert n_repeated(reported) < CHECKPOINT_EVERY, "not from the start: that had been more"
    begun = time.monotonic()
    wait_for(lambda: living(cluster) == 3, "the host that was booted again")
    fact(f"killed: all hosts there {time.monotonic() - begun:.0f} s after the sweep's end")


def test_a_sweep_continues_without_a_host_whose_network_fails(cluster, data):
    code, shown, reported = went_on_without(
        cluster, data, "cut", lambda h: cluster.script("linkdown", h),
        lambda h: cluster.script("linkup", h),
    )  # fmt: skip
    assert code == 0, shown
    assert [sorted(set(done)) for done in reported.values()] == [list(range(1, EPOCHS + 1))] * 2
    begun = time.monotonic()
    wait_for(lambda: living(cluster) == 3, "the host whose network came back")
    fact(f"cut: all hosts there {time.monotonic() - begun:.0f} s after the sweep's end")


@pytest.fixture(scope="module")
def refused(cluster, data):
    """The output of `up` and `submit` when h2 has another Ray and h3 has lost its storage."""
    cluster.lap(f"{LAUNCH} down ray_cluster.yaml")
    packages = f"{cluster.venv}/lib/python3*/site-packages"
    cluster.on("h2", f"sed 's/2\\.60\\.0/2.59.1/' $(echo {packages}/ray/_version.py) > /tmp/old.py")
    cluster.on("h2", f"mount --bind /tmp/old.py $(echo {packages}/ray/_version.py)")
    cluster.on("h3", f"umount -l {cluster.shared}")
    bring_up(cluster)
    sweep = submit(cluster, data, "refused", "--trials", "1", "--epochs", "4")
    shown, _ = sweep.communicate(timeout=600)
    fact(f"refused:\n{shown}")
    return sweep.returncode, shown


def test_the_refusal_of_a_host_with_another_ray_has_both_versions(refused):
    code, shown = refused
    assert code == 2
    assert "1 of 3 hosts: 10.77.0.1; missing: 10.77.0.2, 10.77.0.3" in shown
    assert "REFUSED lab-h2: it has Ray 2.59.1, ray_cluster.yaml asks for 2.60.0" in shown


def test_a_host_without_the_storage_is_refused(refused):
    assert re.search(r"REFUSED lab-h3: \S*/shared is not mounted", refused[1])


def test_the_checks_leave_nothing_in_the_storage(cluster):
    assert not list(Path(cluster.shared).rglob(".hosts-*"))
