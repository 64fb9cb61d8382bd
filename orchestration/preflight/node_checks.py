"""What each host of a cluster says of itself; orchestration.preflight.node_findings compares it."""

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
from orchestration.code_version import code_digest
from orchestration.private_ray import is_head
from orchestration.storage.sharing import SHARED_FOLDER, SharedFolder

PACKAGES = (
    *("ray", "torch", "monai", "nibabel", "numpy", "pandas", "safetensors", "optuna", "mlflow"),
    "TotalSegmentator",
)
N_CLOCK_READINGS = 3
ANSWER_S = 120.0  # a host's first answer waits for a process that starts there
NO_FILE = -1
MARK = "written-by-the-head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU as its driver names it; ``memory_gib`` is all that it has."""

    name: str
    memory_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What is found on a host itself.

    ``storage_error`` is empty where the storage is as it should; ``driver`` is, where there is no
    GPU. ``files`` has the size of each that was asked for in bytes, of a folder how many files are
    below it, NO_FILE for what is not there.
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
    """One host as it is seen from here.

    ``n_gpus_offered`` is what Ray gives to trials there; ``clock_ahead_s`` is against the asking
    host's, at best known to half the way there and back.
    """

    address: str
    seen: HostState
    n_gpus_offered: int
    clock_ahead_s: float

    @property
    def who(self) -> str:
        """For people."""
        return f"{self.address} ({self.seen.hostname})"


def observe(
    folder: Path,
    name: str,
    files: Collection[Path] = (),
    sharing: SharedFolder = SHARED_FOLDER,
) -> HostState:
    """Runs on the host. ``folder`` was just made on the shared storage by who asks."""
    is_folder = sharing == SHARED_FOLDER
    storage_error = _storage_error(folder, name) if is_folder else _url_error(sharing)
    gpus, driver = installed_gpus()
    return HostState(
        hostname=socket.gethostname(),
        versions=versions(),
        storage_error=storage_error,
        free_gib=shutil.disk_usage(_present(folder)).free / 2**30,
        gpus=gpus,
        driver=driver,
        files=sizes(files),
    )


def versions() -> tuple[tuple[str, str], ...]:
    """Of Python, our own code, and the packages that results and messages between hosts hang on."""
    ours = (("Python", platform.python_version()), ("pancreatune", code_digest()))
    return (*ours, *((name, _version(name)) for name in PACKAGES))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def installed_gpus() -> tuple[tuple[Gpu, ...], str]:
    """The GPUs that NVIDIA's driver sees, whatever Ray hides, and its version; none, without it."""
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
    """Of each file its bytes, of each folder how many files it holds, else NO_FILE."""
    return tuple((str(path), _size(path)) for path in files)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(one.is_file() for one in path.rglob("*"))
    return path.stat().st_size if path.is_file() else NO_FILE


def _storage_error(folder: Path, name: str) -> str:
    """Sees what was written here, and leaves what is looked for afterwards."""
    if not (folder / MARK).is_file():
        return f"{folder.parent} is another folder there"
    try:
        (folder / name).write_text(name)
    except OSError as error:
        return f"{folder.parent} cannot be written to ({error})"
    return ""


def _url_error(sharing: SharedFolder) -> str:
    try:
        sharing.check(writes=True)
    except InputError as error:
        return str(error)
    return ""


def _present(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def read_clock() -> float:
    """Runs on the host: seconds since 1970, by its own clock."""
    return time.time()


def report_hosts(
    storage: Path, files: Collection[Path] = (), sharing: SharedFolder = SHARED_FOLDER
) -> list[HostReport]:
    """Ask every living host of the cluster that was joined; the head is the first.

    ``files`` are what a sweep reads, on every host. Makes the storage folder where it is not there.
    Raises InputError with the hosts that do not answer, or cannot run our code.
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
    """The function as a task that runs on this host or not at all."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
    return ray.remote(function).options(num_cpus=0, scheduling_strategy=here)


def _report(node: dict[str, Any], reply: Any) -> HostReport:
    import ray
    from ray.exceptions import RayError

    address = str(node["NodeManagerAddress"])
    try:
        seen: HostState = ray.get(reply, timeout=ANSWER_S)
        clock_ahead_s = _clock_ahead_s(node)
    except RayError as error:
        why = str(error).strip().splitlines()[-1]
        raise InputError(
            f"every host must run this code, {address} did not ({why}): install pancreatune there, "
            "in the same place, and look at `ray status`"
        ) from error
    return HostReport(
        address=address,
        seen=seen,
        n_gpus_offered=int(node["Resources"].get("GPU", 0)),
        clock_ahead_s=clock_ahead_s,
    )


def _arrived(report: HostReport, folder: Path, name: str) -> HostReport:
    """With an error where what the host wrote is not to be seen here."""
    if report.seen.storage_error or (folder / name).is_file():
        return report
    lost = f"what it writes to {folder.parent} stays there"
    return replace(report, seen=replace(report.seen, storage_error=lost))


def _clock_ahead_s(node: dict[str, Any]) -> float:
    """From the reading that took least: the first ones may wait for a process to start."""
    import ray

    readings = []
    for _ in range(N_CLOCK_READINGS):
        asked = time.time()
        there = ray.get(_on(node, read_clock).remote(), timeout=ANSWER_S)
        back = time.time()
        readings.append((back - asked, there - (asked + back) / 2))
    return float(min(readings)[1])
