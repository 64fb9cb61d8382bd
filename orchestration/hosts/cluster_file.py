"""Read a cluster's YAML file, and check what Ray's own validation of it overlooks."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ldm.errors import InputError

PLACEHOLDER = re.compile(r"<[a-z][a-z ]*>")
LOCAL = "local"
NEEDED_AT_THE_HEAD = {
    "--autoscaling-config": "without it no worker ever starts",
    "--dashboard-host=127.0.0.1": "otherwise anyone who reaches the dashboard can start jobs",
    "--disable-usage-stats": "otherwise Ray sends usage statistics",
    "RAY_enable_autoscaler_v2=0": "version 2 starts one worker too few and replaces none",
    "RAY_AUTH_MODE=token": "otherwise anyone who reaches its ports can run code",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFile:
    """The contents of a checked cluster file.

    Attributes
    ----------
    path
        The file.
    name
        Name of the cluster.
    head
        Address of the head, or None for rented machines.
    workers
        Addresses of the other hosts. Empty for rented machines.
    n_hosts
        Number of hosts, including the head. For rented workers, this counts their minimum number.
    ssh_user, ssh_key
        How to log in to the hosts. Without a key, ssh uses its own defaults.
    environment
        Folder of the programs ``ray`` and ``python`` on the hosts. Empty if unknown.
    """

    path: Path
    name: str
    head: str | None
    workers: tuple[str, ...]
    n_hosts: int
    ssh_user: str
    ssh_key: Path | None
    environment: str


def read_cluster_file(path: Path) -> ClusterFile:
    """Read and check a cluster file.

    Raises InputError if the file is not valid. The details of the error name all its problems.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(
            f"{path} must be a cluster's YAML file", seen=f"reading it failed ({error})"
        ) from error
    if not isinstance(document, dict) or not isinstance(document.get("provider"), dict):
        raise InputError(f"{path} must be a cluster's YAML file", seen="it names no provider")
    if wrong := list(problems(document)):
        raise InputError(f"{path} cannot start a cluster", details=wrong)
    return _read(path, document)


def _read(path: Path, document: dict[str, Any]) -> ClusterFile:
    provider, auth = document["provider"], document["auth"]
    workers = tuple(provider.get("worker_ips", ()))
    types = document.get("available_node_types", {}).values()
    environment = re.search(r"PATH=(\S+):\$PATH", _last(document, "head_start_ray_commands"))
    key = auth.get("ssh_private_key")
    return ClusterFile(
        path=path,
        name=str(document.get("cluster_name", "default")),
        head=provider.get("head_ip"),
        workers=workers,
        n_hosts=1 + (len(workers) or sum(node.get("min_workers", 0) for node in types)),
        ssh_user=auth["ssh_user"],
        ssh_key=Path(key).expanduser() if key else None,
        environment=environment.group(1) if environment else "",
    )


def problems(document: dict[str, Any]) -> Iterator[str]:
    """Yield one line for each problem of a parsed cluster file, which must name a provider."""
    placeholders = sorted(set(PLACEHOLDER.findall(yaml.safe_dump(document, width=10**6))))
    if placeholders:
        yield f"{', '.join(placeholders)}: replace it by its value everywhere"
    if not (document.get("auth") or {}).get("ssh_user"):
        yield "auth names no ssh_user: name the user who logs in to the hosts"
    if document["provider"].get("type") == LOCAL and not placeholders:
        yield from _address_problems(document)
    yield from _command_problems(document)


def _address_problems(document: dict[str, Any]) -> Iterator[str]:
    head = str(document["provider"].get("head_ip", ""))
    workers = [str(worker) for worker in document["provider"].get("worker_ips") or []]
    for address in (head, *workers):
        if not _is_numeric(address):
            yield f"{address!r} is not a numeric address: a name may mean 127.0.1.1 on its own host"
    if head in workers:
        yield f"worker_ips names the head, {head}: starting Ray there again would stop the head"
    for twice in sorted({worker for worker in workers if workers.count(worker) > 1}):
        yield f"worker_ips names {twice} twice: name each host once"
    if f"--node-ip-address={head} " not in _last(document, "head_start_ray_commands"):
        yield f"the head must be told its address: ray start --head --node-ip-address={head}"
    for limit in ("min_workers", "max_workers"):
        if document.get(limit, len(workers)) != len(workers):
            yield f"{limit} is {document[limit]}, worker_ips has {len(workers)}: leave {limit} out"


def _is_numeric(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _command_problems(document: dict[str, Any]) -> Iterator[str]:
    head = _last(document, "head_start_ray_commands")
    for option, why in NEEDED_AT_THE_HEAD.items():
        if option not in head:
            yield f"the head is started without {option}: {why}"
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        if not re.search(r"PATH=[/~]\S*:\$PATH", _last(document, name)):
            yield f"{name} must name the environment: export PATH=/absolute/bin:$PATH"
        if "mountpoint -q" not in " ".join(document.get(name) or []):
            yield f"{name} must check that the storage is mounted: mountpoint -q FOLDER || exit 1"
        if "ray.__version__" not in " ".join(document.get(name) or []):
            yield f"{name} must assert ray.__version__: a host with another version cannot join"
    if "~/.ray/auth_token" not in (document.get("file_mounts") or {}):
        yield "file_mounts must carry ~/.ray/auth_token: every host needs the same token"


def _last(document: dict[str, Any], name: str) -> str:
    """Return the last command in a list that runs ``ray start``, or "" if there is none."""
    commands = [str(command) for command in document.get(name) or []]
    return next((one for one in reversed(commands) if "ray start" in one), "")
