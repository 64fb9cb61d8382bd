"""Measure work in a fresh process on one thread: its result, its time and its peak memory."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # like a Ray task with one CPU
RESET_PEAK = "5"  # resets VmHWM to the memory in use, see proc_pid_clear_refs(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of one piece of work.

    Attributes
    ----------
    seconds
        Wall time.
    peak_mib
        Peak memory beyond what the process held before, in MiB.
    """

    seconds: float
    peak_mib: float


def in_fresh_process(
    function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """Call an importable function in a new process and return its result.

    Standard output of the process goes to standard error, because benchmarks print only JSON.
    """
    context = multiprocessing.get_context("spawn")
    with (
        _on_one_thread(),
        ProcessPoolExecutor(1, mp_context=context, initializer=_print_to_errors) as pool,
    ):
        return pool.submit(function, *args, **kwargs).result()


def cost_of(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """Do the work once, and return its result and its cost.

    The kernel's record of this process's peak memory (VmHWM) is reset first, so that imports and
    earlier work do not count. ``ru_maxrss`` would not do: it may be the peak of the parent process.
    """
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    held_mib = _status_mib("VmRSS")
    start_s = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start_s
    return result, Cost(seconds=seconds, peak_mib=_status_mib("VmHWM") - held_mib)


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """Limit processes that start inside this block to one thread.

    The limit is set by environment variables, because NumPy reads them when it is imported.
    """
    before = os.environ.copy()
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _print_to_errors() -> None:
    os.dup2(2, 1)


def _status_mib(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)
