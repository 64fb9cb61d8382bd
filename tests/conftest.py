"""Fixtures that several test files share: phantoms in the Task07 layout, and the real scans."""

import os
from pathlib import Path

# Before torch and NumPy are imported: the test processes share the cores, threads of one that
# wait for those of another take many times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from ldm.data.phantom.phantom_cohort import ensure_phantom_cohort
from tests.support.repository import REAL_CT
from tests.support.small_task07 import make_folder

# How fast examples are drawn says something of the machine, nothing of the code.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start Ray come first: they take longest, and nobody should wait for them alone."""
    items.sort(key=lambda item: "orchestration" not in item.path.parts)


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
