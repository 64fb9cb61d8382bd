"""What each host of a cluster reports about itself.

orchestration.preflight.node_findings compares the reports.
"""

import importlib.metadata
import platform
import shutil
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ldm.errors import InputError
from ldm.files.writable import nearest_folder
from orchestration.code_version import code_digest
from orchestration.private_ray import is_head
from orchestration.storage.sharing import SHARED_FOLDER, Sharing

PACKAGES = (
    *("ray", "torch", "monai", "nibabel", "numpy", "pandas", "safetensors", "optuna", "mlflow"),
    "TotalSegmentator",
)
N_CLOCK_READINGS = 3
ANSWER_S = 120.0  # the first answer of a host waits until a worker process has started there
NO_FILE = -1
MARK = "written-by-the-head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU: the name that its driver gives it, and its total memory."""

    name: str
    memory_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What a host reports about itself.

    Attributes
    ----------
    hostname
        Name of the host.
    versions
        Pairs of a package's name and version.
    storage_error
        Why the storage cannot be used. Empty if it can.
    free_gib
        Free space in the storage.
    gpus
        All installed GPUs.
    driver
        Version of NVIDIA's driver. Empty if there is none.
    files
        Pairs of a requested path and its size: bytes of a file, number of files in a folder, or
        NO_FILE.
    """

    hostname: str
    versions: tuple[tuple[str, str], ...]
    storage_error: str
    free_gib: float
    gpus: tuple[Gpu, ...]
    driver: str
    files: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """One host as this process sees it.

    ``n_gpus_offered`` is the number of GPUs that Ray gives to trials on it. ``clock_ahead_s`` is
    the difference to the clock of this host, known to about half of one round trip.
    """

    address: str
    seen: HostState
    n_gpus_offered: int
    clock_ahead_s: float

    @property
    def who(self) -> str:
        """Return the name of the host for messages, such as ``10.77.0.1 (lab-h1)``."""
        return f"{self.address} ({self.seen.hostname})"


def observe(
    folder: Path,
    name: str,
    files: Collection[Path] = (),
    sharing: Sharing = SHARED_FOLDER,
) -> HostState:
    """Inspect this host, and return what was found. Runs on each host of a cluster.

    ``folder`` is a folder that the head has just made in the storage, and ``name`` the test file
    that this host writes into it. If ``sharing`` is that of a URL, this host checks its access to
    the URL instead. ``files`` are the paths whose sizes are reported.
    """
    is_folder = sharing == SHARED_FOLDER
    storage_error = _storage_error(folder, name) if is_folder else _url_error(sharing)
    gpus, driver = installed_gpus()
    return HostState(
        hostname=socket.gethostname(),
        versions=versions(),
        storage_error=storage_error,
        free_gib=shutil.disk_usage(nearest_folder(folder)).free / 2**30,
        gpus=gpus,
        driver=driver,
        files=sizes(files),
    )


def versions() -> tuple[tuple[str, str], ...]:
    """Return the versions of Python, this code and the packages that must be equal on all hosts."""
    ours = (("Python", platform.python_version()), ("pancreatune", code_digest()))
    return (*ours, *((name, _version(name)) for name in PACKAGES))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def installed_gpus() -> tuple[tuple[Gpu, ...], str]:
    """Return the GPUs that NVIDIA's driver sees, and the version of the driver.

    If there is no driver, both are empty.

    The driver also shows GPUs that Ray hides from a process with CUDA_VISIBLE_DEVICES.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return (), ""
    found = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    gpus = tuple(
        Gpu(
            name=pynvml.nvmlDeviceGetName(one),
            memory_gib=pynvml.nvmlDeviceGetMemoryInfo(one).total / 2**30,
        )
        for one in found
    )
    return gpus, pynvml.nvmlSystemGetDriverVersion()


def sizes(files: Collection[Path]) -> tuple[tuple[str, int], ...]:
    """Return each path with its size: bytes of a file, or number of files in a folder.

    The size is NO_FILE if the path does not exist.
    """
    return tuple((str(path), _size(path)) for path in files)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(one.is_file() for one in path.rglob("*"))
    return path.stat().st_size if path.is_file() else NO_FILE


def _storage_error(folder: Path, name: str) -> str:
    """Return why this host does not share the folder, or "". Writes a file for the head to find."""
    if not (folder / MARK).is_file():
        return f"{folder.parent} is a different folder there"
    try:
        (folder / name).write_text(name)
    except OSError as error:
        return f"{folder.parent} cannot be written to ({error})"
    return ""


def _url_error(sharing: Sharing) -> str:
    try:
        sharing.check(writes=True)
    except InputError as error:
        return str(error)
    return ""


def read_clock() -> float:
    """Return the Unix time of the clock of the host on which this runs."""
    return time.time()


def report_hosts(
    storage: Path, files: Collection[Path] = (), sharing: Sharing = SHARED_FOLDER
) -> list[HostReport]:
    """Inspect every living host of the cluster that this process has joined, the head first.

    ``files`` are the paths that a sweep reads on every host; each host reports their sizes.
    ``sharing`` says how the storage is checked: every host writes a test file into a shared folder,
    or checks its access to a URL. The folder ``storage`` is made here if it does not exist.

    A missing file or a storage that cannot be used is part of the report and raises nothing. Raises
    InputError if a host does not answer or cannot run this code.
    """
    import ray

    folder = storage / f".hosts-{time.time_ns()}"
    folder.mkdir(parents=True)
    try:
        (folder / MARK).touch()
        living = [node for node in ray.nodes() if node["Alive"]]
        living.sort(key=is_head, reverse=True)
        asked = [
            _on(node, observe).remote(folder, node["NodeID"], files, sharing) for node in living
        ]
        reports = [_report(node, reply) for node, reply in zip(living, asked, strict=True)]
        if sharing != SHARED_FOLDER:
            return reports
        names = [node["NodeID"] for node in living]
        return [_arrived(one, folder, name) for one, name in zip(reports, names, strict=True)]
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _on(node: dict[str, Any], function: Any) -> Any:
    """Return the function as a Ray task that runs only on this node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
    return ray.remote(function).options(num_cpus=0, scheduling_strategy=here)


def _report(node: dict[str, Any], reply: Any) -> HostReport:
    import ray
    from ray.exceptions import RayError

    from orchestration.worker_error import worker_error

    address = str(node["NodeManagerAddress"])
    try:
        seen: HostState = ray.get(reply, timeout=ANSWER_S)
        clock_ahead_s = _clock_ahead_s(node)
    except RayError as error:
        raise InputError(
            "every host must run this code",
            seen=f"{address} did not ({worker_error(error)})",
            remedy="install pancreatune there, in the same place, and look at `ray status`",
        ) from error
    return HostReport(
        address=address,
        seen=seen,
        n_gpus_offered=int(node["Resources"].get("GPU", 0)),
        clock_ahead_s=clock_ahead_s,
    )


def _arrived(report: HostReport, folder: Path, name: str) -> HostReport:
    """Return the report, with a storage error if the file that the host wrote is not here."""
    if report.seen.storage_error or (folder / name).is_file():
        return report
    lost = f"a file that it wrote to {folder.parent} did not appear here"
    return replace(report, seen=replace(report.seen, storage_error=lost))


def _clock_ahead_s(node: dict[str, Any]) -> float:
    """Return how many seconds the node's clock is ahead of this host's. Negative if it is behind.

    The clock is read several times, and the reading with the shortest round trip is used, because
    it is the most accurate. The first readings can be slow, because a worker process may have to
    start on the node.
    """
    import ray

    readings = []
    for _ in range(N_CLOCK_READINGS):
        asked = time.time()
        there = ray.get(_on(node, read_clock).remote(), timeout=ANSWER_S)
        back = time.time()
        readings.append((back - asked, there - (asked + back) / 2))
    return float(min(readings)[1])
