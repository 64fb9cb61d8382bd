"""One command at a time writes to a study, tested with real processes and a real S3 server."""

import dataclasses
import errno
import fcntl
import os
import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from ldm.errors import InputError
from ldm.files.json_file import write_dataclass
from orchestration.finalists import score_finalists
from orchestration.storage import lease
from orchestration.storage import study_lock as module
from orchestration.storage.lease import Lease, now, write_lease
from orchestration.storage.study_lock import LEASE_FILE, VALID, study_lock
from orchestration.tracking.target import TrackingTarget
from orchestration.tracking.waiting import send_study
from tests.support.command_line import dry_run, refusal_here
from tests.support.repository import ROOT
from tests.support.sweep_process import STUDY

HOLD = """
import sys, time
from pathlib import Path
from orchestration.storage.study_lock import study_lock
with study_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of a study in ``tmp_path``."""
    line = [sys.executable, "-c", HOLD, str(tmp_path / STUDY), "--password=http://me:secret@host"]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_sweep_is_refused_and_told_who_holds_the_study(holder, phantom_folder, tmp_path):
    options = ("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path)
    error = refusal_here(*options)
    who = f"it is in use by process {holder.pid} on {os.uname().nodename} since 2"
    assert f"only one command at a time can write to {tmp_path / STUDY}, {who}" in error
    assert "secret" not in error
    assert [path.name for path in (tmp_path / STUDY).iterdir()] == [".lock"], "it wrote nothing"
    assert "trials in total" in dry_run(*options), "reading is allowed"


def test_commands_that_write_scores_or_records_are_refused_too(holder, tmp_path):
    (tmp_path / STUDY / "sweep.json").write_text("{}")
    with pytest.raises(InputError, match=f"in use by process {holder.pid}"):
        score_finalists(str(tmp_path), [], weights=None, allow_phantom=True, console=None)
    target = TrackingTarget(tracking_uri="", experiment="", study="", artifacts="")
    write_dataclass(tmp_path / STUDY / "tracking.json", target)
    with pytest.raises(InputError, match=f"in use by process {holder.pid}"):
        send_study(tmp_path / STUDY, None)


def test_the_lock_of_a_killed_command_is_free_at_once(holder, tmp_path):
    holder.kill()
    holder.wait()
    with study_lock(tmp_path / STUDY):
        pass


def test_two_studies_in_one_storage_do_not_wait_for_each_other(tmp_path):
    with study_lock(tmp_path / "pancreas-demo-default"), study_lock(tmp_path / "full-body-demo"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--storage must be a folder that can be written to"):
        study_lock(tmp_path / "file" / STUDY).__enter__()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lease, "SETTLE_S", 0.1)
    monkeypatch.setattr(module, "RENEW_EVERY_S", 0.2)


def elsewhere(minutes=60.0, **changes):
    until = (now() + timedelta(minutes=minutes)).isoformat(timespec="seconds")
    found = Lease(host="another", since=now().isoformat(), until=until, pid=7, command="tune.py")
    return dataclasses.replace(found, **changes)


@pytest.mark.usefixtures("quick")
def test_a_file_system_without_locks_gets_a_lease(monkeypatch, tmp_path):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with study_lock(tmp_path):
        assert (tmp_path / LEASE_FILE).is_file()
        with pytest.raises(InputError, match=f"in use by process {os.getpid()}"):
            study_lock(tmp_path).__enter__()
    assert not (tmp_path / LEASE_FILE).exists()


@pytest.mark.usefixtures("quick")
class TestAtUrl:
    """Leases on a real S3 server, between machines that share no folder."""

    def test_a_sweep_on_another_machine_refuses_this_one(self, node):
        with node("a") as (mirror, folder):
            write_lease(folder / STUDY / LEASE_FILE, mirror, found := elsewhere())
        with node("b") as (mirror, folder):
            refused = r"in use by process 7 on another since .* \(tune.py\)"
            with pytest.raises(InputError, match=refused) as error:
                study_lock(folder / STUDY, mirror).__enter__()
            assert f"if it was killed, wait until {found.until}" in str(error.value)
            assert mirror.address(folder / STUDY) in str(error.value)

    def test_an_expired_lease_is_taken(self, node):
        with node("a") as (mirror, folder):
            write_lease(folder / STUDY / LEASE_FILE, mirror, elsewhere(minutes=-1))
            with study_lock(folder / STUDY, mirror):
                pass
            assert mirror.names(folder / STUDY) == []

    def test_a_lease_of_a_dead_process_of_this_machine_is_taken(self, node):
        dead = subprocess.Popen(["true"])
        dead.wait()
        mine = lease.this_lease(now() + VALID)
        with node("a") as (mirror, folder):
            left = dataclasses.replace(mine, pid=dead.pid)
            write_lease(folder / STUDY / LEASE_FILE, mirror, left)
            with study_lock(folder / STUDY, mirror):
                pass

    def test_a_lease_is_renewed_while_it_is_held(self, node):
        with node("a") as (mirror, folder), study_lock(folder / STUDY, mirror):
            threading.Event().wait(2.5)
            mirror.fetch_tree(folder / STUDY, to=folder / "copy")
            held = lease.read_dataclass(Lease, folder / "copy" / LEASE_FILE)
            assert held.until > (now() + VALID - timedelta(seconds=2)).isoformat()

    def test_a_command_that_lost_its_lease_ends_with_an_error(self, node):
        lost = pytest.raises(InputError, match="in use by process 7 on another")
        with node("a") as (mirror, folder), lost, study_lock(folder / STUDY, mirror):
            write_lease(folder / STUDY / LEASE_FILE, mirror, elsewhere())
            threading.Event().wait(30)
