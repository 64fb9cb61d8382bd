"""Prepare cohorts of different sizes, and measure the time and the memory of all processes."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil  # type: ignore[import-untyped]

SAMPLE_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The cost of one run of ``pancreatune prepare``.

    Attributes
    ----------
    seconds
        Wall time, including the start of Ray.
    peak_mib
        Peak memory of all processes together, in MiB.
    intervals_s
        Times between the completion of one scan and the next, in order of completion.
    """

    seconds: float
    peak_mib: float
    intervals_s: tuple[float, ...]


def first_of(cohort: Path, n_scans: int, folder: Path) -> Path:
    """Create a Task07 folder that lists only the first ``n_scans`` scans of another one.

    The files are hard links to those of the other folder.
    """
    shutil.copytree(cohort, folder, copy_function=os.link)
    dataset = folder / "dataset.json"
    content = json.loads(dataset.read_text())
    content |= {"training": content["training"][:n_scans], "numTraining": n_scans}
    dataset.unlink()  # otherwise the hard link would change the other folder's file
    dataset.write_text(json.dumps(content))
    return folder


def prepare(cohort: Path, storage: Path) -> Run:
    """Prepare a cohort for the pancreas crop at all input sizes.

    The run uses no results of earlier runs, unless ``storage`` has been prepared before. Raises
    RuntimeError if the preparation fails.
    """
    command = [sys.executable, "-m", "pancreatune", "prepare", "--crop", "pancreas"]
    environment = os.environ | {"XDG_CACHE_HOME": str(storage / "cache")}
    for name in ("MLFLOW_TRACKING_URI", "TOTALSEG_WEIGHTS_PATH"):
        environment.pop(name, None)
    start_s = time.perf_counter()
    with subprocess.Popen(
        [*command, "--data", str(cohort), "--storage", str(storage)],
        stdout=sys.stderr,
        env=environment,
    ) as process:
        peak_mib = _peak_mib(process)
    if process.returncode:
        raise RuntimeError(f"preparing {cohort} failed with exit code {process.returncode}")
    return Run(
        seconds=time.perf_counter() - start_s,
        peak_mib=peak_mib,
        intervals_s=_intervals_s(storage),
    )


def prepare_again(cohort: Path, storage: Path) -> float:
    """Repeat a finished preparation and return its time in seconds.

    Raises RuntimeError if the second run writes any file again.
    """
    before = _written(storage)
    run = prepare(cohort, storage)
    if _written(storage) != before:
        raise RuntimeError(f"a second run must not change {storage}, but it did")
    return run.seconds


def _written(storage: Path) -> dict[Path, int]:
    files = (path for path in (storage / "latents").rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files}


def _intervals_s(storage: Path) -> tuple[float, ...]:
    """Return the times between the completion of one scan and the next, in seconds.

    A scan is complete when the last of its files is written; it has one for each input size.
    """
    kept_s: dict[str, float] = {}
    for path in (storage / "latents").glob("*/scans/*.safetensors"):
        kept_s[path.name] = max(path.stat().st_mtime, kept_s.get(path.name, 0.0))
    return tuple(after - before for before, after in pairwise(sorted(kept_s.values())))


def _peak_mib(process: "subprocess.Popen[bytes]") -> float:
    """Return the peak memory of a process and its descendants in MiB, after it has ended.

    The proportional set sizes are added up, so that memory shared by several processes counts once.
    """
    peak_mib, root = 0.0, psutil.Process(process.pid)
    while process.poll() is None:
        peak_mib = max(peak_mib, sum(map(_held_mib, (root, *_descendants(root)))))
        try:
            process.wait(SAMPLE_EVERY_S)
        except subprocess.TimeoutExpired:
            continue
    return peak_mib


def _descendants(root: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = root.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _held_mib(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 2**20
    except psutil.NoSuchProcess:  # it has just ended
        return 0.0
