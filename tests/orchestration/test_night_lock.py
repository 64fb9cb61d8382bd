"""A lock allows one night at a time on a machine, tested with real processes."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from orchestration.night.lock import NightHeldError, night_lock
from tests.support.repository import ROOT

HOLD = """
import subprocess, sys, time
from pathlib import Path
from orchestration.night.lock import night_lock
with night_lock(Path(sys.argv[1])) as lock:
    if sys.argv[2] == "with a sweep":
        sweep = subprocess.Popen(["sleep", "60"], pass_fds=(lock,), stdout=subprocess.DEVNULL)
        print(sweep.pid, flush=True)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Return a function that starts a process with the lock. It ends with the test."""
    started = []

    def start(how="alone"):
        line = [sys.executable, "-c", HOLD, str(tmp_path / "nightly"), how]
        process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_night_exits_with_75_and_names_the_first(holder, tmp_path):
    process, _ = holder()
    config = tmp_path / "nightly.yaml"
    config.write_text('crops: [pancreas]\nuntil: "06:00"\nstorage: .\n')
    line = [sys.executable, "-m", "pancreatune", "nightly", "--config", str(config)]
    second = subprocess.run(
        line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert second.returncode == 75, second.stdout + second.stderr
    assert f"held by process {process.pid} on {os.uname().nodename} since 2" in second.stdout
    assert "nothing was started" in second.stdout
    assert [path.name for path in (tmp_path / "nightly").iterdir()] == ["lock"]


def test_a_killed_night_leaves_no_lock(holder, tmp_path):
    process, said = holder()
    assert said == "held"
    with pytest.raises(NightHeldError), night_lock(tmp_path / "nightly"):
        pass
    process.kill()
    process.wait()
    with night_lock(tmp_path / "nightly"):
        pass


def test_a_sweep_that_outlives_its_night_still_holds_the_lock(holder, tmp_path):
    process, sweep = holder("with a sweep")
    assert process.stdout.readline().strip() == "held"
    process.kill()
    process.wait()
    with pytest.raises(NightHeldError), night_lock(tmp_path / "nightly"):
        pass
    os.kill(int(sweep), signal.SIGKILL)
    wait_for_end(int(sweep))
    with night_lock(tmp_path / "nightly"):
        pass


def wait_for_end(pid):
    """Wait for the end of a process that is not a child of this one."""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(60)
