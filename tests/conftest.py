"""Fixtures that several test files share: phantoms in the Task07 layout, and the real scans."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Before torch and NumPy are imported: the test processes share the cores, threads of one that
# wait for those of another take many times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import psutil
import pytest

from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from tests.support.repository import REAL_CT, ROOT
from tests.support.small_task07 import make_folder

# How fast examples are drawn says something of the machine, nothing of the code.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start Ray come first: they take longest, and nobody should wait for them alone."""
    items.sort(key=lambda item: "orchestration" not in item.path.parts)


@pytest.hookimpl(optionalhook=True)  # a hook of pytest-xdist, called when tests run in processes
def pytest_xdist_node_collection_finished(ids: list[str]) -> None:
    """Refuse to run the fake hosts in several processes: they are one lab, on the whole machine."""
    files = {ROOT / test.partition("::")[0] for test in ids}
    if any("pytest.mark.cluster" in file.read_text(encoding="utf-8") for file in files):
        raise pytest.UsageError(
            "tests marked `cluster` need the whole machine and cannot run in several processes: "
            "add `-n 0`, as in `python -m pytest -n 0 -m cluster -s`, or leave them out: "
            '`python -m pytest -m "slow and not cluster"`'
        )


@pytest.hookimpl(trylast=True)  # after pytest-xdist has ended its processes
def pytest_sessionfinish() -> None:
    """Kill the processes that tests left behind, for example after a command took too long.

    A sweep that nobody waits for any more would otherwise train on and slow down what comes next.
    """
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.fixture(autouse=True, scope="module")
def environment_of_other_tests() -> Iterator[None]:
    """Give each test module the environment variables that the process started with.

    TotalSegmentator and Ray set variables in the process that loads them, and commands that a later
    test starts would read them.
    """
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Task07 folder of 6 phantoms, seeds 0 to 5; read it, write nothing into it."""
    return ensure_phantom_cohort(tmp_path_factory.mktemp("phantoms"), n_scans=6, seed=0)


@pytest.fixture(scope="session")
def real_ct() -> Path:
    """The Task07 folder of three real scans; skips where it is not at hand."""
    if not (REAL_CT / "dataset.json").is_file():
        pytest.skip(f"three real CT scans are needed, {REAL_CT} is not there")
    return REAL_CT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Task07 folder of three good tiny scans a, b, c with masks; tests spoil c."""
    root = tmp_path / "Task07"
    root.mkdir()
    return make_folder(root)
