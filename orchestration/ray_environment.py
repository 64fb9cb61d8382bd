"""Environment variables that lead Ray's own HTTP requests to this cluster and to no other.

To free the resources of a trial whose driver died, Ray asks the dashboard of its cluster by HTTP.
Without RAY_ADDRESS it asks any Ray that it finds on the host, and with ``http_proxy`` it asks the
proxy. Both leave the CPUs and GPUs of the trial reserved for as long as Ray runs.

The processes of a local Ray inherit these variables from ``point_at_local``. On a cluster, Ray runs
``point_at_cluster`` in each worker process, also on hosts that lack this code. So this module is
sent to them by value, and imports nothing of this project. Ray is imported inside the functions,
because it reads some of its settings only when it is imported.
"""

import os
import sys
from collections.abc import Callable, Iterable
from urllib.request import getproxies_environment

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NO_PROXY = ("no_proxy", "NO_PROXY")  # programs read one or the other


def point_at_local(host: str, port: int) -> None:
    """Make this process and its children send Ray's requests to a local Ray, directly.

    Call this before that Ray starts. A worker that is set up by a function of its own starts
    seconds later than one that inherits the variables.
    """
    os.environ["RAY_ADDRESS"] = f"{host}:{port}"
    os.environ.pop("RAY_API_SERVER_ADDRESS", None)  # would take precedence
    exempt_from_proxy([host])


def worker_setup() -> Callable[[], None]:
    """Return ``point_at_cluster`` for the ``worker_process_setup_hook`` of ``ray.init``."""
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return point_at_cluster


def point_at_cluster() -> None:
    """Make this process, which has joined a cluster, send Ray's requests to that cluster directly.

    A proxy of the user is kept for all other hosts.
    """
    import ray

    address = ray.get_runtime_context().gcs_address
    os.environ["RAY_ADDRESS"] = address
    os.environ.pop("RAY_API_SERVER_ADDRESS", None)  # would take precedence
    exempt_from_proxy((address.rpartition(":")[0], *addresses_of_hosts()))


def addresses_of_hosts() -> list[str]:
    """Return the IP addresses of all living hosts of the cluster that this process has joined."""
    import ray

    return [str(node["NodeManagerAddress"]) for node in ray.nodes() if node["Alive"]]


def exempt_from_proxy(hosts: Iterable[str] = ()) -> None:
    """Add loopback and the given hosts to the hosts that are reached without a proxy.

    Hosts that the user has exempted stay exempt.
    """
    exempted = [host.strip() for name in NO_PROXY for host in os.environ.get(name, "").split(",")]
    together = dict.fromkeys(host for host in (*exempted, *LOOPBACK, *hosts) if host)
    os.environ.update(dict.fromkeys(NO_PROXY, ",".join(together)))


def proxies() -> dict[str, str]:
    """Return the proxies that the environment sets, by the scheme of the requests they are for."""
    return {scheme: url for scheme, url in getproxies_environment().items() if scheme != "no"}
