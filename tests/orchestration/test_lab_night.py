"""Nights on several hosts start the cluster if it is down, and join it if it is running."""

import json
import re
from datetime import datetime, timedelta

import pytest

from tests.support.lab import fact
from tests.support.sweep_process import wait_for

pytest_plugins = ("tests.support.lab_fixtures",)
pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(2400)]
STUDY = "pancreas-demo-default"
EPOCHS, PATIENCE_S = 40, 900
NIGHT = "[o]rchestration.nightly"
SWEEP = "[t]une.py"


class LabNights:
    """Nights of one trial each, started on the laptop, and their files in the shared storage."""

    def __init__(self, lab, data):
        self.lab, self.storage = lab, lab.shared / "nights"
        self._file = lab.home / "pancreatune" / "nightly.yaml"
        self._fields = {
            "crops": ["pancreas"],
            "until": "06:00",
            "storage": str(self.storage),
            "data": str(data),
            "trials": 1,
            "epochs": EPOCHS,
            "stop_early": False,
            "cluster": "ray_cluster.yaml",
        }
        self.write()

    def write(self, **more):
        self._file.write_text(json.dumps(self._fields | more))

    def begin(self):
        until = (datetime.now() + timedelta(hours=1)).isoformat(timespec="seconds")
        line = f"exec pancreatune nightly --config nightly.yaml --until {until}"
        return self.lab.begin("lap", f"export USER=root; cd pancreatune; {line}")

    def end(self, night):
        """Wait for a night to end. Returns its exit code and output."""
        shown, _ = night.communicate(timeout=PATIENCE_S)
        fact(f"code {night.returncode}: {shown}")
        return night.returncode, shown

    def epochs(self):
        """Return all epochs of each trial in order of their start, including repeated ones."""
        paths = (self.storage / STUDY / "trials").glob("*/loss.jsonl")
        known = sorted(paths, key=lambda path: path.stat().st_ctime)
        return [[json.loads(line)[0] for line in p.read_text().splitlines()] for p in known]

    def log(self, n):
        """Return the log of the sweep of the n-th night."""
        logs = sorted(
            (self.storage / "nightly").glob(f"*/{STUDY}.log"), key=lambda p: p.parent.name
        )
        return logs[n - 1].read_text()


@pytest.fixture(scope="module")
def nights(lab, filled_in, data):
    assert all(code == 0 for code, _ in filled_in.values()), filled_in
    yield LabNights(lab, data)
    lab.lap("pancreatune cluster down ray_cluster.yaml")


@pytest.fixture(scope="module")
def killed(nights):
    """The first night, which finds the cluster down and is killed during training."""
    night = nights.begin()
    wait_for(nights.epochs, "a trial that trains", PATIENCE_S)
    nights.lab.on("lap", f"pkill -KILL -f '{NIGHT}'")
    return nights.end(night)


@pytest.fixture(scope="module")
def followed(nights, killed):
    """The second night, which finds the sweep of the first one still running."""
    assert killed
    assert nights.lab.processes("h1", SWEEP), "the killed night's sweep goes on without it"
    assert len(nights.epochs()) == 1, "it was killed too late to test anything"
    return nights.end(nights.begin())


@pytest.fixture(scope="module")
def after_the_head(nights, followed):
    """The third night, after the head was killed and restarted."""
    assert followed
    nights.lab.script("killhost", "h1")
    nights.lab.boot("h1")
    return nights.end(nights.begin())


def test_a_night_starts_a_cluster_that_is_down(killed):
    code, shown = killed
    assert "the cluster was down and has been started" in shown
    assert code != 0


def test_the_next_night_follows_the_sweep_that_a_killed_night_left(nights, followed):
    code, shown = followed
    assert code == 0, shown
    assert "the cluster is running" in shown
    jobs = re.findall(r"^(sweep-[0-9-]+): succeeded", nights.log(2), re.M)
    assert len(set(jobs)) == 2, "the killed night's and its own"


def test_a_night_after_the_head_died_starts_it_again(after_the_head):
    code, shown = after_the_head
    assert code == 0, shown
    assert "the cluster was down and has been started" in shown


@pytest.mark.usefixtures("after_the_head")
def test_no_epoch_of_three_nights_is_lost_or_repeated(nights):
    assert nights.epochs() == [list(range(1, EPOCHS + 1))] * 3


def test_the_report_mentions_missing_gpus_of_the_cluster(nights):
    nights.write(gpus=1)
    code, shown = nights.end(nights.begin())
    nights.write()
    assert code == 1
    assert "ATTENTION" in shown
    assert "1 GPUs are expected, 0 are offered" in shown
