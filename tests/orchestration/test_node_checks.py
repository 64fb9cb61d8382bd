"""Comparing the reports of hosts, and the real report of this machine."""

import dataclasses
from importlib.metadata import version

import pytest
from rich.console import Console

from ldm.errors import InputError
from orchestration import readiness
from orchestration.cluster import connect
from orchestration.preflight.node_checks import (
    Gpu,
    HostReport,
    HostState,
    installed_gpus,
    observe,
    report_hosts,
    sizes,
    versions,
)
from orchestration.preflight.node_findings import host_findings, require_alike
from orchestration.readiness import wait_for_hosts

L40S = Gpu(name="NVIDIA L40S", memory_gib=44.99)
SEEN = HostState(
    hostname="lab-h1",
    versions=versions(),
    storage_error="",
    free_gib=800.0,
    gpus=(L40S, L40S),
    driver="550.54",
    files=(),
)
HEAD = HostReport(address="10.77.0.1", seen=SEEN, n_gpus_offered=2, clock_ahead_s=0.0)


def other(*, clock_ahead_s=0.0, n_gpus_offered=2, **changes):
    seen = dataclasses.replace(SEEN, hostname="lab-h2", **changes)
    return HostReport(
        address="10.77.0.2", seen=seen, n_gpus_offered=n_gpus_offered, clock_ahead_s=clock_ahead_s
    )


def problem(files=(), **changes):
    (found,) = [one for one in host_findings([HEAD, other(**changes)], files) if not one.is_here]
    return found


def test_equal_hosts_have_no_problem():
    require_alike([HEAD, other()])


def test_a_different_version_is_named_with_host_and_own_version():
    changed = tuple((name, "0.1" if name == "monai" else one) for name, one in versions())
    found = problem(versions=changed)
    assert found.name == "versions on all hosts"
    assert found.seen == f"monai is 0.1 on 10.77.0.2 (lab-h2), {version('monai')} here"


def test_a_version_that_no_host_shares_names_all_hosts():
    old = dataclasses.replace(SEEN, versions=(*versions()[1:], ("Python", "3.9.1")))
    both = [dataclasses.replace(HEAD, seen=old), dataclasses.replace(other(), seen=old)]
    with pytest.raises(InputError, match=r"Python is 3\.9\.1 on 10\.77\.0\.1 .*, 10\.77\.0\.2"):
        require_alike(both)


@pytest.mark.parametrize("ahead_s", [2.5, -2.5])
def test_a_wrong_clock_is_named_with_its_difference(ahead_s):
    assert (
        f"is {ahead_s:+.1f} s off the clock here, at most 2 s"
        in problem(clock_ahead_s=ahead_s).seen
    )


def test_a_clock_may_differ_by_the_allowed_time():
    require_alike([HEAD, other(clock_ahead_s=2.0)])


def test_offered_gpus_must_exist():
    found = problem(n_gpus_offered=3).seen
    assert "offers 3 GPUs, its driver sees 2 x NVIDIA L40S of 45 GiB" in found


def test_gpus_are_shown_with_memory_and_driver_by_host():
    card = Gpu(name="NVIDIA A100", memory_gib=80.0)
    gpus = host_findings([HEAD, other(gpus=(card, L40S), driver="535.1")])[-1]
    assert gpus.is_here
    assert "2 x NVIDIA L40S of 45 GiB, driver 550.54 on 10.77.0.1 (lab-h1)" in gpus.seen
    assert "1 x NVIDIA A100 of 80 GiB, 1 x NVIDIA L40S of 45 GiB, driver 535.1 on" in gpus.seen


def test_without_nvidias_driver_there_are_no_gpus():
    gpus, driver = installed_gpus()
    assert bool(gpus) == bool(driver)


def test_a_problem_with_the_storage_is_reported():
    assert problem(storage_error="not there").seen == "10.77.0.2 (lab-h2): not there"


def test_a_file_that_a_host_lacks_is_named_with_the_host(tmp_path):
    (tmp_path / "weights").write_text("1234")
    here = dataclasses.replace(HEAD, seen=dataclasses.replace(SEEN, files=sizes([tmp_path])))
    lacks, differs = other(files=((str(tmp_path), -1),)), other(files=((str(tmp_path), 2),))
    for one, said in ((lacks, "does not exist"), (differs, "differs")):
        with pytest.raises(InputError, match=rf"{tmp_path} {said} on 10\.77\.0\.2 \(lab-h2\): "):
            require_alike([here, one], [tmp_path])


def test_a_different_folder_at_the_same_path_is_found(tmp_path):
    seen = observe(tmp_path / ".hosts-1", "h2")
    assert seen.storage_error == f"{tmp_path} is a different folder there"


def test_a_storage_that_cannot_be_written_to_is_reported(tmp_path):
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
    (report,) = report_hosts(tmp_path)
    assert dict(report.seen.versions)["ray"] == version("ray")
    assert (report.seen.storage_error, abs(report.clock_ahead_s) < 1) == ("", True)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("running_ray")
def test_missing_hosts_are_named_after_the_wait():
    with pytest.raises(InputError, match=r"after \d s 1 of 2 hosts: .*; missing: 10\.77\.0\.2:\n"):
        wait_for_hosts(2, ["10.77.0.2"], 0, Console(quiet=True))


@pytest.mark.usefixtures("running_ray")
def test_a_refused_host_is_not_waited_for(tmp_path, monkeypatch):
    said = "Running `echo REFUSED x`\nREFUSED lab-h2: it has Ray 2.59.1\r\n"
    (tmp_path / "monitor.out").write_text(said)
    monkeypatch.setattr(readiness, "MONITOR_LOGS", tmp_path)
    with pytest.raises(InputError, match=r"\n  REFUSED lab-h2: it has Ray 2.59.1\n"):
        wait_for_hosts(2, [], 1000, Console(quiet=True))
