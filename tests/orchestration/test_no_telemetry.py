"""A whole sweep contacts nothing but loopback addresses."""

import os
import shutil
import sys
import tempfile

import pytest

from tests.support.lonely_network import run_alone, why_not
from tests.support.repository import ROOT

# For a log line, torch asks the name server for the name of its own loopback address, in a form
# that /etc/hosts does not answer. This reveals nothing.
NAME_OF_LOOPBACK = "1.0.0.127.in-addr.arpa"
REACHES_OUT = """
import socket, subprocess, sys
try:
    socket.create_connection(("203.0.113.9", 443), timeout=2)
except OSError:
    pass
subprocess.run([sys.executable, "-c", "import socket; socket.getaddrinfo('example.org', 80)"])
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("203.0.113.8", 8125))
"""


@pytest.fixture
def alone():
    """Skip the test if a process cannot be isolated from the network."""
    reason = why_not()
    if reason is not None:
        pytest.skip(f"a network of its own and a record of connections: {reason}")


@pytest.fixture
def bare_environment(tmp_path):
    """The environment of a user, without variables of pytest that silence MLflow."""
    ray = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # names of sockets must be short
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    yield kept | {
        "HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "RAY_TMPDIR": ray,
    }
    shutil.rmtree(ray, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_connections_to_other_addresses_are_refused_and_recorded(tmp_path):
    _, attempts, names = run_alone([sys.executable, "-c", REACHES_OUT], tmp_path, timeout=60)
    assert attempts == {"203.0.113.9 port 443", "203.0.113.8 port 8125"}
    assert "example.org" in names


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("alone")
def test_a_demo_sweep_only_connects_to_loopback(tmp_path, bare_environment):
    command = [sys.executable, str(ROOT / "tune.py"), "--crop", "pancreas"]
    command += ["--trials", "1", "--epochs", "4", "--storage", str(tmp_path / "results")]
    done, attempts, names = run_alone(
        command, tmp_path, timeout=1200, cwd=tmp_path, env=bare_environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert attempts == set()
    assert names <= {NAME_OF_LOOPBACK}
