"""Start or join Ray, and share its resources among the parts of a sweep."""

import logging
import os
import socket
from dataclasses import dataclass
from typing import Any

from ldm.errors import InputError
from orchestration.masked import masked
from orchestration.private_ray import (
    NO_PREEMPTION_WATCHER,
    PORT_VARIABLE,
    STARTUP_LIMIT,
    quiet_dashboard,
    recorded_cluster,
    running_clusters,
    silence_token_note,
    token_file,
)
from orchestration.ray_environment import point_at_cluster, point_at_local, worker_setup
from orchestration.ray_host import check_host

NAMESPACE = "pancreatune"
N_CONCURRENT_ON_CPU = 2
REACH_TIMEOUT_S = 5.0
SHARED_GPU_TRIAL = 0.75  # a trial's part of a GPU that it shares with the evaluator


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The resources that each part of a sweep reserves.

    Attributes
    ----------
    n_cpus
        All CPUs that Ray has.
    n_concurrent
        Number of trials that train at a time.
    trial_cpus, trial_gpus
        Resources of each worker of a trial.
    evaluator_gpus
        Part of a GPU for the evaluator. It reserves no CPU.
    """

    n_cpus: int
    n_concurrent: int
    trial_cpus: int
    trial_gpus: float
    evaluator_gpus: float

    def describe(self) -> str:
        """Return how the resources are divided, as text to print after the number of trials."""
        gpu = f" and {self.trial_gpus:g} GPU" if self.trial_gpus else ""
        evaluator = f"{self.evaluator_gpus:g} GPU" if self.evaluator_gpus else "no GPU"
        return (
            f"{self.n_concurrent} at a time; each worker of a trial reserves "
            f"{self.trial_cpus} CPU{gpu}; the evaluator reserves {evaluator} and shares the CPUs"
        )


def plan_slots(
    n_cpus: int, n_gpus: int, n_workers: int = 1, *, host_cpus: int | None = None
) -> Slots:
    """Divide the CPUs and GPUs between the trials and the evaluator.

    Each worker of a trial gets a whole GPU, and the evaluator gets one too. If the workers of one
    trial need all GPUs, the evaluator shares a GPU with them. Without GPUs, at most two trials run
    at a time, and their workers share the CPUs. A worker runs on one host, so it gets at most
    ``host_cpus``, the CPUs of the smallest host (default: ``n_cpus``).

    Raises InputError if ``n_workers``, the workers of one trial, exceeds the GPUs, or the CPUs if
    there is no GPU.
    """
    if n_workers > (n_gpus or n_cpus):
        raise InputError(
            f"--workers must be at most the number of {'GPUs' if n_gpus else 'CPUs'}",
            seen=f"{n_workers} is more than {n_gpus or n_cpus}",
            remedy="use fewer workers",
        )
    if n_gpus == 0:
        n_concurrent = min(N_CONCURRENT_ON_CPU, n_cpus // n_workers)
        return Slots(
            n_cpus=n_cpus,
            n_concurrent=n_concurrent,
            trial_cpus=min(n_cpus // (n_concurrent * n_workers), host_cpus or n_cpus),
            trial_gpus=0,
            evaluator_gpus=0,
        )
    if n_gpus == n_workers:
        return Slots(
            n_cpus=n_cpus,
            n_concurrent=1,
            trial_cpus=1,
            trial_gpus=SHARED_GPU_TRIAL,
            evaluator_gpus=1 - SHARED_GPU_TRIAL,
        )
    return Slots(
        n_cpus=n_cpus,
        n_concurrent=(n_gpus - 1) // n_workers,
        trial_cpus=1,
        trial_gpus=1,
        evaluator_gpus=1,
    )


def local_resources() -> tuple[int, int]:
    """Return how many CPUs this process may use, and how many GPUs this machine has."""
    return len(os.sched_getaffinity(0)), n_nvidia_gpus()


def n_nvidia_gpus() -> int:
    """Return the number of GPUs that NVIDIA's driver sees, or 0 if there is no driver.

    Ray counts GPUs in the same way.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    n_gpus = int(pynvml.nvmlDeviceGetCount())
    pynvml.nvmlShutdown()
    return n_gpus


def present_token() -> None:
    """Make Ray send this user's token to a running cluster, if the user has one.

    Call this before Ray is imported: it reads RAY_AUTH_MODE only then. A cluster without
    authentication ignores the token.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or token_file().is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def connect(address: str | None) -> tuple[int, int]:
    """Join the Ray cluster at ``address``, or start Ray on this machine if it is None.

    Returns the numbers of CPUs and GPUs of all hosts together. On this machine, Ray also starts its
    dashboard, which it needs to free the resources of a stopped trial. The dashboard listens on
    loopback only. Raises InputError if Ray cannot be started or joined.
    """
    import ray
    from ray.exceptions import AuthenticationError

    if address is None:
        check_host()
        started = _set_local_address()
    else:
        check_reachable(address)
        started = {"runtime_env": {"worker_process_setup_hook": worker_setup()}}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    settings = STARTUP_LIMIT if address else STARTUP_LIMIT | NO_PREEMPTION_WATCHER
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    silence_token_note()
    try:
        with quiet_dashboard():
            ray.init(
                address=address or "local",
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.WARNING,
                configure_logging=True,
                **started,
            )
    except (OSError, ValueError, RuntimeError, AuthenticationError) as error:
        raise (_not_joined(address, error) if address else _not_started(error)) from error
    finally:
        os.environ.pop(PORT_VARIABLE, None)  # of this Ray alone
    point_at_cluster()
    resources = ray.cluster_resources()
    return int(resources.get("CPU", 1)), int(resources.get("GPU", 0))


def _set_local_address() -> dict[str, Any]:
    """Choose the address of a local Ray for its processes. Returns arguments of ``ray.init``."""
    from ray.util import get_node_ip_address

    host = get_node_ip_address()
    with socket.create_server((host, 0)) as probe:
        port = probe.getsockname()[1]
    os.environ[PORT_VARIABLE] = str(port)
    point_at_local(host, port)
    return {
        "num_cpus": len(os.sched_getaffinity(0)),
        "include_dashboard": True,
        "dashboard_host": "127.0.0.1",
    }


def smallest_host_cpus() -> int:
    """Return the number of CPUs of the smallest host of the joined cluster.

    Hosts without CPUs are ignored. If no host has CPUs, the number is 1.
    """
    import ray

    offered = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    return min((n_cpus for n_cpus in offered if n_cpus), default=1)


def _not_started(error: Exception) -> InputError:
    """Return the error for a local Ray that did not start, after ``check_host`` found no fault."""
    return InputError(
        "Ray must be able to start on this host",
        seen=f"it did not ({error})",
        remedy="see the logs in session_latest/logs of its temporary folder, by default /tmp/ray",
    )


def _not_joined(address: str, error: Exception) -> InputError:
    """Return the error for a join that Ray refused, after ``check_reachable`` found no fault."""
    return InputError(
        "--address must name a running Ray cluster that accepts this user",
        seen=f"joining {address} failed ({error})",
        remedy="start a cluster with `ray start --head`; if it is running, copy ~/.ray/auth_token "
        "from its head, or set RAY_AUTH_TOKEN_PATH to that file",
    )


def check_reachable(address: str) -> None:
    """Raise InputError unless the port of an address answers within 5 s.

    Ray itself would keep trying for minutes. For ``auto``, the address that it stands for is
    checked. Also raises InputError if there are several, or if the address is of another kind.
    """
    address = _found_cluster() if address == "auto" else address
    host, _, port = address.rpartition(":")
    if "://" in address or not (host and port.isdigit()):
        raise InputError(
            "--address must be auto or HOST:PORT of a Ray cluster",
            seen=f"got {masked(address)}",
            remedy="give the address that `ray start --head` printed, such as 10.0.0.1:6379",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_TIMEOUT_S).close()
    except OSError as error:
        raise _not_running(address, error) from error


def _found_cluster() -> str:
    """Return the address that ``auto`` stands for on this host."""
    if recorded := recorded_cluster():
        return recorded
    running = running_clusters()
    if len(running) > 1:
        raise InputError(
            "--address auto needs a single Ray on this host",
            seen=f"there are {', '.join(running)}",
            remedy="give the one to join as --address HOST:PORT",
        )
    if not running:
        raise _not_running("auto", "no Ray runs on this host")
    return running[0]


def _not_running(address: str, error: object) -> InputError:
    return InputError(
        "--address must name a running Ray cluster",
        seen=f"{address} did not answer ({error})",
        remedy="start one with `ray start --head`, or leave --address out",
    )
