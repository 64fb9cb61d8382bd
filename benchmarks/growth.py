"""Preparing cohorts of several sizes, watched: time, and the memory of all processes together."""

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
    """One run of ``pancreatune prepare``, Ray and its processes included.

    ``intervals_s`` are the times between one scan kept and the next, in the order they came.
    """

    seconds: float
    peak_mib: float
    intervals_s: tuple[float, ...]


def first_of(cohort: Path, n_scans: int, folder: Path) -> Path:
    """A Task07 folder that lists the first scans of another, and has all its files."""
    shutil.copytree(cohort, folder, copy_function=os.link)
    dataset = folder / "dataset.json"
    content = json.loads(dataset.read_text())
    content |= {"training": content["training"][:n_scans], "numTraining": n_scans}
    dataset.unlink()  # the file is the other folder's too
    dataset.write_text(json.dumps(content))
    return folder


def prepare(cohort: Path, storage: Path) -> Run:
    """Prepare all input sizes of the pancreas crop; raises RuntimeError when that fails.

    Nothing is known of the scans unless ``storage`` has been prepared before.
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
        raise RuntimeError(f"preparing {cohort} must end with 0, it did with {process.returncode}")
    return Run(
        seconds=time.perf_counter() - start_s,
        peak_mib=peak_mib,
        intervals_s=_intervals_s(storage),
    )


def prepare_again(cohort: Path, storage: Path) -> float:
    """Seconds where all is there already; raises RuntimeError when any of it is written anew."""
    before = _written(storage)
    run = prepare(cohort, storage)
    if _written(storage) != before:
        raise RuntimeError(f"a second run must leave {storage} as it is, it did not")
    return run.seconds


def _written(storage: Path) -> dict[Path, int]:
    files = (path for path in (storage / "latents").rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files}


def _intervals_s(storage: Path) -> tuple[float, ...]:
    """By when the last of its files, one an input size, was written."""
    kept_s: dict[str, float] = {}
    for path in (storage / "latents").glob("*/scans/*.safetensors"):
        kept_s[path.name] = max(path.stat().st_mtime, kept_s.get(path.name, 0.0))
    return tuple(after - before for before, after in pairwise(sorted(kept_s.values())))


def _peak_mib(process: "subprocess.Popen[bytes]") -> float:
    """Peak memory of a process and all that descend from it, until it ends.

    The sum of their proportional set sizes: what several share counts once.
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
