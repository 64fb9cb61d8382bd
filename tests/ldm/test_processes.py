"""Applying a function to many items in parallel processes."""

import os
import subprocess
import sys

import pytest

from ldm.errors import InputError
from ldm.processes import map_in_processes
from tests.support.repository import ROOT

RUN = {
    "env": os.environ | {"PYTHONPATH": str(ROOT)},
    "capture_output": True,
    "text": True,
    "timeout": 60,
}


def test_results_keep_the_order_of_the_items():
    calls = []
    results = map_in_processes(
        abs, [-3, -1, -4, -1, -5], n_workers=2, on_done=lambda *c: calls.append(c)
    )
    assert results == [3, 1, 4, 1, 5]
    assert calls == [(done, 5) for done in range(1, 6)]


def test_no_items_have_no_results():
    assert map_in_processes(abs, []) == []


def test_workers_have_one_thread_and_the_caller_keeps_its_environment(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before, main = os.environ.copy(), sys.modules["__main__"]
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HOME", "HOME"]
    found = map_in_processes(os.getenv, names, n_workers=2)
    assert found == ["1", "3", os.getenv("HOME"), os.getenv("HOME")]
    assert os.environ.copy() == before
    assert sys.modules["__main__"] is main


@pytest.mark.parametrize("n_workers", [1, 2])
def test_an_error_of_one_item_reaches_the_caller(n_workers):
    with pytest.raises(ValueError, match="invalid literal"):
        map_in_processes(int, ["1", "2", "x", "4"], n_workers=n_workers)


def test_zero_workers_are_refused():
    with pytest.raises(InputError, match="n_workers must be 1 or more, got 0"):
        map_in_processes(abs, [1], n_workers=0)


def test_a_dead_process_is_reported():
    with pytest.raises(
        InputError, match=r"process died while 2 processes worked on 4 items.*n_workers"
    ):
        map_in_processes(os._exit, [1, 1, 1, 1], n_workers=2)


def test_a_script_needs_no_guard_and_may_come_from_standard_input(tmp_path):
    script = (
        "from ldm.processes import map_in_processes\n"
        "print(map_in_processes(abs, [-1, -2, -3, -4], n_workers=2))\n"
    )
    file = tmp_path / "script.py"
    file.write_text(script)
    from_file = subprocess.run([sys.executable, file], check=True, **RUN)
    from_input = subprocess.run([sys.executable, "-"], check=True, input=script, **RUN)
    assert from_file.stdout == from_input.stdout == "[1, 2, 3, 4]\n"
