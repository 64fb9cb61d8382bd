"""Work in a fresh process on one thread: its result, how long it took, the memory it needed."""

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
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as a Ray task of one CPU
PEAK_IS_NOW = "5"  # proc_pid_clear_refs(5): the peak starts again from what is held


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one piece of work; the peak is beyond what the process held when it began."""

    seconds: float
    peak_mib: float


def in_fresh_process(
    function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """Call an importable function in a process of its own; what it prints goes to the errors."""
    context = multiprocessing.get_context("spawn")
    with (
        _on_one_thread(),
        ProcessPoolExecutor(1, mp_context=context, initializer=_print_to_errors) as pool,
    ):
        return pool.submit(function, *args, **kwargs).result()


def cost_of(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """Do the work once and measure it.

    The kernel's peak of this process (VmHWM; ``ru_maxrss`` may be the peak of the process that
    started this one) is set back first, so that imports and earlier work do not count.
    """
    Path("/proc/self/clear_refs").write_text(PEAK_IS_NOW)
    held_mib = _status_mib("VmRSS")
    start_s = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start_s
    return result, Cost(seconds=seconds, peak_mib=_status_mib("VmHWM") - held_mib)


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """For processes that start in here; numpy reads it when it is imported."""
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
