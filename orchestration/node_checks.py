"""What may differ between the hosts of a cluster and must not: observed on each, then compared."""

import importlib.metadata
import platform
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldm.errors import InputError
from orchestration.cluster import local_resources
from orchestration.mirror import folder_of, sharing_of
from orchestration.sharing import SHARED_FOLDER, SharedFolder

PACKAGES = (
    *("ray", "torch", "monai", "numpy", "safetensors", "optuna", "mlflow", "TotalSegmentator"),
)
MAX_CLOCK_DIFFERENCE_S = 2.0
N_CLOCK_READINGS = 3
MARK = "written-by-the-head"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """What one host said of itself; ``storage_error`` is empty where the storage is as it should.

    ``n_gpus_offered`` is what Ray gives to trials there, ``n_gpus_seen`` what the driver finds;
    ``clock_ahead_s`` is against the asking host's, at best known to half the way there and back.
    """

    address: str
    hostname: str
    versions: tuple[tuple[str, str], ...]
    storage_error: str
    n_gpus_offered: int
    n_gpus_seen: int
    clock_ahead_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The part of a report that is found on the host itself."""

    hostname: str
    versions: tuple[tuple[str, str], ...]
    storage_error: str
    n_gpus: int


def observe(folder: Path, address: str, sharing: SharedFolder = SHARED_FOLDER) -> Observation:
    """Runs on the host. ``folder`` was just made by the head on the shared storage."""
    is_folder = sharing == SHARED_FOLDER
    return Observation(
        hostname=socket.gethostname(),
        versions=versions(),
        storage_error=_storage_error(folder, address) if is_folder else _url_error(sharing),
        n_gpus=local_resources()[1],
    )


def versions() -> tuple[tuple[str, str], ...]:
    """Of Python and of the packages that results and messages between hosts hang on."""
    return (("Python", platform.python_version()), *((name, _version(name)) for name in PACKAGES))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _storage_error(folder: Path, address: str) -> str:
    """Sees what the head wrote, and leaves what the head looks for afterwards."""
    if not (folder / MARK).is_file():
        return f"{folder.parent} is not the folder that the head sees: mount the same storage"
    try:
        (folder / address).write_text(address)
    except OSError as error:
        return f"{folder.parent} cannot be written to ({error}): let this user write there"
    return ""


def _url_error(sharing: SharedFolder) -> str:
    try:
        sharing.check(writes=True)
    except InputError as error:
        return str(error)
    return ""


def read_clock() -> float:
    """Runs on the host: seconds since 1970, by its own clock."""
    return time.time()


def report_hosts(storage: str) -> list[HostReport]:
    """Ask every living host of the cluster that was joined; the head is the first."""
    import ray

    sharing, folder = sharing_of(storage), folder_of(storage) / f".hosts-{time.time_ns()}"
    folder.mkdir(parents=True)
    try:
        (folder / MARK).touch()
        living = _living()
        asked = [
            _on(node, observe).remote(folder, str(node["NodeManagerAddress"]), sharing)
            for node in living
        ]
        return [
            _report(node, ray.get(reply), folder, sharing)
            for node, reply in zip(living, asked, strict=True)
        ]
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def check_url(sharing: SharedFolder) -> None:
    """Raise InputError unless every host of the cluster that was joined can use the URL."""
    import ray

    if sharing == SHARED_FOLDER:
        return
    living = _living()
    errors = ray.get([_on(node, _url_error).remote(sharing) for node in living])
    named = [
        f"{node['NodeManagerAddress']} ({node['NodeManagerHostname']}): {error}"
        for node, error in zip(living, errors, strict=True)
        if error
    ]
    if named:
        raise InputError("\n  ".join(["each host needs credentials for the storage:", *named]))


def _living() -> list[dict[str, Any]]:
    """The hosts of the cluster that was joined; the head is the first."""
    import ray

    living = [node for node in ray.nodes() if node["Alive"]]
    return sorted(living, key=lambda node: "node:__internal_head__" not in node["Resources"])


def _on(node: dict[str, Any], function: Any) -> Any:
    """The function as a task that runs on this host or not at all."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
    return ray.remote(function).options(num_cpus=0, scheduling_strategy=here)


def _report(
    node: dict[str, Any], seen: Observation, folder: Path, sharing: SharedFolder
) -> HostReport:
    address = str(node["NodeManagerAddress"])
    is_elsewhere = (
        sharing == SHARED_FOLDER and not seen.storage_error and not (folder / address).is_file()
    )
    lost = f"what it wrote to {folder.parent} does not reach the head: mount the same storage"
    return HostReport(
        address=address,
        hostname=seen.hostname,
        versions=seen.versions,
        storage_error=lost if is_elsewhere else seen.storage_error,
        n_gpus_offered=int(node["Resources"].get("GPU", 0)),
        n_gpus_seen=seen.n_gpus,
        clock_ahead_s=_clock_ahead_s(node),
    )


def _clock_ahead_s(node: dict[str, Any]) -> float:
    """From the reading that took least: the first ones may wait for a process to start."""
    import ray

    readings = []
    for _ in range(N_CLOCK_READINGS):
        asked = time.time()
        there = ray.get(_on(node, read_clock).remote())
        back = time.time()
        readings.append((back - asked, there - (asked + back) / 2))
    return float(min(readings)[1])


def differences(reports: Sequence[HostReport]) -> Iterator[str]:
    """What must be mended before a sweep, in words; the first report is the head's."""
    head = reports[0]
    for report in reports:
        who = f"{report.address} ({report.hostname})"
        for (name, here), (_, there) in zip(report.versions, head.versions, strict=True):
            if here != there:
                yield (
                    f"{who} has {name} {here}, the head {head.address} has {there}: "
                    "give both the same environment"
                )
        if report.storage_error:
            yield f"{who}: {report.storage_error}"
        if abs(report.clock_ahead_s) > MAX_CLOCK_DIFFERENCE_S:
            yield (
                f"the clock of {who} is {report.clock_ahead_s:+.1f} s from the head's, at most "
                f"{MAX_CLOCK_DIFFERENCE_S:g} s are allowed: turn on its time service"
            )
        if report.n_gpus_seen < report.n_gpus_offered:
            yield (
                f"{who} offers {report.n_gpus_offered} GPUs to trials, its driver sees "
                f"{report.n_gpus_seen}: run nvidia-smi there, and leave --num-gpus out"
            )
