"""Run one function over many items in processes of their own, and report progress."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import TypeAlias, TypeVar

from ldm.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")
OnDone: TypeAlias = Callable[[int, int], None]  # called with (done, total) after each item

N_ITEMS_FOR_A_POOL = 4  # fewer are done before the processes have started
WORKER_ENVIRONMENT = {  # unless the caller's environment says otherwise
    "OMP_NUM_THREADS": "1",  # a worker has one core
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 26),  # glibc keeps freed arrays: a third less CPU time
    "MALLOC_TRIM_THRESHOLD_": str(1 << 29),
}
MAX_DEFAULT_WORKERS = 16  # a 512 x 512 x 751 scan takes 2 GiB while it is inspected


def map_in_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    n_workers: int | None = None,
    on_done: OnDone | None = None,
) -> list[Result]:
    """Results of ``function`` in the order of ``items``; see ``results_as_they_come``."""
    results: dict[int, Result] = {}
    for index, result in results_as_they_come(function, items, n_workers=n_workers):
        results[index] = result
        if on_done is not None:
            on_done(len(results), len(items))
    return [results[index] for index in range(len(items))]


def results_as_they_come(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_workers: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Index and result of each item as it is done, by default on all cores, at most 16.

    Processes are spawned, never forked: the caller may have torch or Ray threads. ``function``
    must be importable, not of ``__main__``. Fewer than 4 items, or one worker, run in this process.
    Raises InputError when ``n_workers`` is below 1 or when a worker process dies.
    """
    n_workers = min(_checked(n_workers), len(items))
    if n_workers <= 1 or len(items) < N_ITEMS_FOR_A_POOL:
        yield from enumerate(map(function, items))
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n_workers, mp_context=context)
    try:
        with _spawning():
            indices = {pool.submit(function, item): index for index, item in enumerate(items)}
        for future in as_completed(indices):
            yield indices[future], future.result()  # an error ends the others at once
    except BrokenProcessPool as error:
        raise InputError(
            f"a process died while {len(items)} items were read or written by {n_workers}"
            " processes, most likely out of memory: take fewer with n_workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _spawning() -> Iterator[None]:
    """Processes that start in here get WORKER_ENVIRONMENT and do not run the caller's script.

    So a script needs no guard and may come from standard input, and what it imports costs a
    worker nothing: spawn takes the script from ``sys.modules["__main__"]``.
    """
    main, environment = sys.modules["__main__"], os.environ.copy()
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ.update(WORKER_ENVIRONMENT | environment)
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name in WORKER_ENVIRONMENT.keys() - environment.keys():
            del os.environ[name]


def _checked(n_workers: int | None) -> int:
    if n_workers is None:
        return min(os.cpu_count() or 1, MAX_DEFAULT_WORKERS)
    if n_workers < 1:
        raise InputError(
            f"n_workers must be 1 or more, got {n_workers}: leave it out for all cores"
        )
    return n_workers
