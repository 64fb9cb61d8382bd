"""What work takes at its peak, measured in a fresh process of one thread."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest import mock

import torch

# glibc keeps what is freed for later, holes and all; above this size it gives it back at once.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": str(2**16)}


def in_fresh_process(function, *args):
    """The result of an importable function."""
    context = multiprocessing.get_context("spawn")
    with (
        mock.patch.dict(os.environ, GIVE_BACK),
        ProcessPoolExecutor(
            1, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool,
    ):
        return pool.submit(function, *args).result()


def measured_peak_gib(work):
    """Beyond what this process holds."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held
    held_gib = _status_gib("VmRSS")
    work()
    return _status_gib("VmHWM") - held_gib


def _status_gib(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 2**20
