"""What hosts say of themselves, compared; what one really says, on a Ray of its own."""

import dataclasses
from importlib.metadata import version

import pytest
from rich.console import Console

from ldm.errors import InputError
from orchestration import readiness
from orchestration.cluster import connect
from orchestration.node_checks import HostReport, differences, observe, report_hosts
from orchestration.readiness import wait_for_hosts

HEAD = HostReport(
    address="10.77.0.1",
    hostname="lab-h1",
    versions=(("Python", "3.11.7"), ("ray", "2.60.0")),
    storage_error="",
    n_gpus_offered=1,
    n_gpus_seen=1,
    clock_ahead_s=0.0,
)


def problem(**changes):
    other = dataclasses.replace(HEAD, address="10.77.0.2", hostname="lab-h2", **changes)
    (found,) = differences([HEAD, other])
    return found


def test_hosts_that_are_alike_are_not_complained_of():
    assert not list(differences([HEAD, dataclasses.replace(HEAD, address="10.77.0.2")]))


def test_another_version_is_named_with_that_of_the_head():
    found = problem(versions=(("Python", "3.11.7"), ("ray", "2.59.1")))
    assert found.startswith("10.77.0.2 (lab-h2) has ray 2.59.1, the head 10.77.0.1 has 2.60.0")


@pytest.mark.parametrize("ahead_s", [2.5, -2.5])
def test_a_clock_that_is_off_is_named_with_its_difference(ahead_s):
    assert f"is {ahead_s:+.1f} s from the head's, at most 2 s" in problem(clock_ahead_s=ahead_s)


def test_a_clock_may_be_off_by_what_is_allowed():
    assert not list(differences([HEAD, dataclasses.replace(HEAD, clock_ahead_s=2.0)]))


def test_gpus_that_are_offered_must_be_there():
    assert "offers 2 GPUs to trials, its driver sees 1" in problem(n_gpus_offered=2)


def test_what_is_wrong_with_the_storage_is_passed_on():
    assert problem(storage_error="not mounted") == "10.77.0.2 (lab-h2): not mounted"


def test_a_host_with_another_folder_in_its_place_sees_it(tmp_path):
    seen = observe(tmp_path / ".hosts-1", "10.77.0.2")
    assert seen.storage_error.startswith(f"{tmp_path} is not the folder that the head sees")


def test_a_storage_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "written-by-the-head").touch()
    seen = observe(tmp_path, "no/such/folder")
    assert "cannot be written to" in seen.storage_error


@pytest.fixture(scope="module")
def running_ray():
    import ray

    connect(None)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("running_ray")
def test_the_hosts_of_a_running_ray_report_and_leave_nothing_behind(tmp_path):
    (report,) = report_hosts(str(tmp_path))
    assert dict(report.versions)["ray"] == version("ray")
    assert (report.storage_error, abs(report.clock_ahead_s) < 1) == ("", True)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("running_ray")
def test_hosts_that_do_not_come_are_named_after_the_wait():
    with pytest.raises(InputError, match=r"after \d s 1 of 2 hosts: .*; missing: 10\.77\.0\.2\n"):
        wait_for_hosts(2, ["10.77.0.2"], 0, Console(quiet=True))


@pytest.mark.usefixtures("running_ray")
def test_a_refused_host_is_not_waited_for(tmp_path, monkeypatch):
    said = "Running `echo REFUSED x`\nREFUSED lab-h2: it has Ray 2.59.1\r\n"
    (tmp_path / "monitor.out").write_text(said)
    monkeypatch.setattr(readiness, "MONITOR_LOGS", tmp_path)
    with pytest.raises(InputError, match=r"\n  REFUSED lab-h2: it has Ray 2.59.1\n"):
        wait_for_hosts(2, [], 1000, Console(quiet=True))
