"""A lab removes the hosts, mounts and folders that a killed lab has left."""

import subprocess
import sys

import pytest

from tests.support.lab import LABS, PREFIX, Lab, mounts_below, why_not
from tests.support.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.cluster]
START = """
import time
from tests.support.lab import Lab
Lab().start()
print("up", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def killed_lab():
    """A lab whose process was killed when all its hosts were running."""
    if reason := why_not():
        pytest.skip(reason)
    command = [sys.executable, "-c", START]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout.readline() == "up\n"
        driver.kill()
    (folder,) = LABS.glob(f"{PREFIX}*")
    assert mounts_below(folder)
    return folder


def test_a_lab_removes_what_a_killed_one_left(killed_lab):
    lab = Lab()
    try:
        lab.start()
        assert lab.on("h1", "hostname") == (0, "lab-h1\n")
        assert not killed_lab.exists()
    finally:
        lab.stop()
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    assert "rt-" not in listed.stdout
    assert not list(LABS.glob(f"{PREFIX}*"))
