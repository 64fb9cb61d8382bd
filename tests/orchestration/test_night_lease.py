"""A lease on an S3-compatible server allows one night at a time among all machines."""

import dataclasses
import socket
import threading
from datetime import datetime, timedelta

import pytest

from ldm.errors import InputError
from ldm.files.json_file import write_dataclass
from orchestration.night.lease import LEASE_FILE, night_lease
from orchestration.night.lock import NightHeldError
from orchestration.storage import lease
from orchestration.storage.lease import Lease
from orchestration.storage.sharing import SHARED_FOLDER

NOW = datetime.now().astimezone()
ELSEWHERE = Lease(
    host="another",
    since=NOW.isoformat(timespec="seconds"),
    until=(NOW + timedelta(hours=1)).isoformat(timespec="seconds"),
    key="1",
)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    """Skip the wait for other writers, which only the test of two nights at once needs."""
    monkeypatch.setattr(lease, "SETTLE_S", 0.2)


def held(mirror, folder):
    return night_lease(folder / "nightly", mirror, NOW + timedelta(hours=1))


def leave(mirror, folder, found):
    """Write a lease of another machine."""
    path = folder / "nightly" / LEASE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_dataclass(path, found)
    mirror.push(path)


def test_a_lease_names_its_night_and_is_removed_at_the_end(node):
    with node("a") as (mirror, folder):
        with held(mirror, folder):
            assert mirror.names(folder / "nightly") == [LEASE_FILE]
        assert mirror.names(folder / "nightly") == []


def test_a_night_on_another_machine_refuses_this_one(node, url):
    with node("a") as (mirror, folder):
        leave(mirror, folder, ELSEWHERE)
    with node("b") as (mirror, folder):
        refused = rf"another has used it since {ELSEWHERE.since} \(until {ELSEWHERE.until} at most"
        with pytest.raises(NightHeldError, match=refused.replace("+", r"\+")) as error:
            held(mirror, folder).__enter__()
        assert f"remove {url}/nightly/{LEASE_FILE}" in str(error.value)
        assert mirror.names(folder / "nightly") == [LEASE_FILE], "it is not this one's to remove"


def test_an_expired_lease_is_ignored(node):
    ran_out = (NOW - timedelta(minutes=1)).isoformat(timespec="seconds")
    with node("a") as (mirror, folder):
        leave(mirror, folder, dataclasses.replace(ELSEWHERE, until=ran_out))
        with held(mirror, folder):
            pass


def test_a_lease_of_this_host_belongs_to_a_killed_night_and_is_ignored(node):
    with node("a") as (mirror, folder):
        leave(mirror, folder, dataclasses.replace(ELSEWHERE, host=socket.gethostname()))
        with held(mirror, folder):
            pass


def test_a_lease_that_another_night_took_over_is_not_removed(node):
    with node("a") as (mirror, folder):
        with held(mirror, folder):
            leave(mirror, folder, ELSEWHERE)
        assert mirror.names(folder / "nightly") == [LEASE_FILE]


def test_of_two_nights_that_start_at_once_one_continues(node, tmp_path, monkeypatch):
    """If both see no lease before either writes, the last writer gets it."""
    monkeypatch.setattr(lease, "SETTLE_S", 2.0)
    both_saw, ends = threading.Barrier(2), []
    read = lease.read_lease
    first = threading.local()

    def read_together(path, sharing):
        found = read(path, sharing)
        if not hasattr(first, "done"):
            first.done = True
            both_saw.wait(30)
        return found

    monkeypatch.setattr(lease, "read_lease", read_together)
    with node("a") as (mirror, _):
        folders = [tmp_path / name / mirror.name / "nightly" for name in ("a", "b")]

        def begin(own):
            own.mkdir(parents=True, exist_ok=True)
            try:
                with night_lease(own, mirror, NOW + timedelta(hours=1)):
                    ends.append("held")
                    threading.Event().wait(4)
            except NightHeldError:
                ends.append("refused")

        threads = [threading.Thread(target=begin, args=(own,)) for own in folders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ends) == ["held", "refused"]


def test_the_error_of_a_damaged_lease_says_what_to_remove(node, url):
    with node("a") as (mirror, folder):
        path = folder / "nightly" / LEASE_FILE
        path.parent.mkdir(parents=True)
        path.write_text('{"a": 1}')
        mirror.push(path)
        with pytest.raises(InputError, match=f"remove {url}/nightly/{LEASE_FILE} if nothing else"):
            held(mirror, folder).__enter__()


def test_a_shared_folder_needs_no_lease(tmp_path):
    with night_lease(tmp_path / "nightly", SHARED_FOLDER, NOW):
        assert not (tmp_path / "nightly").exists()
