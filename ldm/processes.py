"""Run a function over many items in several processes, and report progress."""

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

N_ITEMS_FOR_A_POOL = 4  # fewer items are done before processes have started
WORKER_ENVIRONMENT = {  # used unless the caller's environment sets them
    "OMP_NUM_THREADS": "1",  # a worker has one core
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 26),  # glibc keeps freed memory: a third less CPU time
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
    """Return the results in the order of ``items``; see ``results_as_they_come``.

    ``on_done(done, total)`` is called after each item.
    """
    results: dict[int, Result] = {}
    for index, result in results_as_they_come(function, items, n_workers=n_workers):
        results[index] = result
        if on_done is not None:
            on_done(len(results), len(items))
    return [results[index] for index in range(len(items))]


def results_as_they_come(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_workers: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Yield the index and the result of each item as soon as it is done.

    By default there is one process for each core, at most 16. Fewer than 4 items, or one worker,
    run in this process. Processes are spawned, not forked, because the caller may have threads of
    torch or Ray. ``function`` must be importable and not defined in ``__main__``. Raises InputError
    if ``n_workers`` is below 1 or if a process dies.
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
            yield indices[future], future.result()  # an error cancels the other items
    except BrokenProcessPool as error:
        raise InputError(
            f"a process died while {len(items)} items were read or written by {n_workers}"
            " processes, most likely out of memory",
            remedy="take fewer with n_workers",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _spawning() -> Iterator[None]:
    """Start processes in here with WORKER_ENVIRONMENT and without the caller's script.

    Spawned processes normally import ``sys.modules["__main__"]``. Without it, a script needs no
    ``if __name__ == "__main__"``, may come from standard input, and workers start faster.
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
            "n_workers must be 1 or more",
            seen=f"got {n_workers}",
            remedy="leave it out for all cores",
        )
    return n_workers
