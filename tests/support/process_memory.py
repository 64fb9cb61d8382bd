"""Measure the peak memory of a computation in a fresh process with one thread."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest import mock

import torch

# glibc keeps freed memory for later use. Blocks above this size are returned to the system at once.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": str(2**16)}


def in_fresh_process(function, *args):
    """Return the result of an importable function, called in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with (
        mock.patch.dict(os.environ, GIVE_BACK),
        ProcessPoolExecutor(
            1, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool,
    ):
        return pool.submit(function, *args).result()


def measured_peak_gib(work):
    """Return the peak memory of ``work()`` beyond the memory that this process has already."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the current memory
    held_gib = _status_gib("VmRSS")
    work()
    return _status_gib("VmHWM") - held_gib


def _status_gib(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 2**20
