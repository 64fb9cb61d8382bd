"""Nothing of a local sweep listens on an address that another machine can reach."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

from tests.support.listening import is_loopback, listening
from tests.support.repository import ROOT

LISTENS = """
import socket, subprocess, sys, time
everywhere = socket.create_server(("0.0.0.0", 0))
child = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
time.sleep(60)
"""


def scan(command, mark, *, timeout, is_enough=lambda _: False):
    """Run a command, looking for sockets every 2 s. Returns the process and all sockets."""
    environment = os.environ | {"RAY_TMPDIR": mark, "PYTHONPATH": str(ROOT)}
    process, found = psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL), set()
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline and not is_enough(found):
        found |= listening(process, mark)
        time.sleep(2)
    return process, found


@pytest.fixture
def mark():
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # names of sockets must be short
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_sockets_on_all_addresses_and_of_children_are_found(mark):
    process, found = scan(
        [sys.executable, "-c", LISTENS], mark, timeout=60, is_enough=lambda seen: len(seen) == 2
    )
    for one in [*process.children(recursive=True), process]:
        one.kill()
    process.wait()
    assert {address for address, _, _ in found} == {"0.0.0.0", "127.0.0.1"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_processes_of_a_sweep_listen_on_loopback_only(mark, phantom_folder, tmp_path):
    command = [sys.executable, str(ROOT / "tune.py"), "--crop", "pancreas", "--trials", "1"]
    command += ["--epochs", "4", "--data", str(phantom_folder), "--storage", str(tmp_path)]
    process, found = scan(command, mark, timeout=1100)
    assert process.wait(60) == 0
    assert {"gcs_server", "raylet"} <= {name for _, name, _ in found}
    assert {one for one in found if not is_loopback(one[0])} == set()
