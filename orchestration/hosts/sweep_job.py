"""Run a sweep as a job of a cluster: submit it with its code, follow it, find it again."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from rich.console import Console

from ldm.errors import InputError
from orchestration.code_version import ROOT
from orchestration.hosts.cluster_file import ClusterFile
from orchestration.hosts.remote import dashboard
from orchestration.private_ray import silence_job_client
from orchestration.storage.object_store import is_url

LEFT_HERE = [".git", ".github", ".ci", "tests", "benchmarks", "docs", "pancreatune-results"]
PREFIX = "sweep-"
STORAGE = "storage"  # in a job's metadata


@contextmanager
def jobs_of(cluster: ClusterFile) -> Iterator[Any]:
    """Yield Ray's job client, connected to the head's dashboard through an ssh tunnel.

    Raises InputError if the head cannot be reached or no cluster is running.
    """
    from ray.job_submission import JobSubmissionClient

    silence_job_client()
    with dashboard(cluster) as url:
        try:
            client = JobSubmissionClient(url)
        except (ConnectionError, RuntimeError) as error:
            raise InputError(
                f"a cluster must be running at {cluster.head or cluster.path}",
                seen=f"its dashboard says ({error})",
                remedy=f"start it by `ray up -y {cluster.path}`",
            ) from error
        yield client


def entrypoint(
    cluster: ClusterFile, sweep: Sequence[str], wait_s: float, n_gpus: int | None = None
) -> str:
    """Return the shell command of the job: wait for all hosts, check them, then run the sweep.

    Parameters
    ----------
    cluster
        The cluster file.
    sweep
        Options of ``pancreatune sweep``, without ``--address``.
    wait_s
        How long to wait for the hosts, in seconds.
    n_gpus
        How many GPUs all hosts together must have, if that matters.
    """
    hosts = [f"--host={address}" for address in (cluster.head, *cluster.workers) if address]
    ready = [
        f"--n-hosts={cluster.n_hosts}",
        f"--storage={storage_of(sweep)}",
        f"--wait-s={wait_s:g}",
        *([f"--n-gpus={n_gpus}"] if n_gpus else []),
        *(f"--outcome={address}" for address in values_of("--outcome", sweep)),
    ]
    return (
        f"python -m pancreatune cluster wait {shlex.join([*ready, *hosts])} && "
        f"exec python -m pancreatune sweep {shlex.join(sweep)} --address auto"
    )


def storage_of(sweep: Sequence[str]) -> str:
    """Return the ``--storage`` among the options of a sweep.

    Raises InputError unless it is an absolute folder or a URL, and if there is an ``--address``.
    """
    if values_of("--address", sweep):
        raise InputError(
            "--address must be left out", remedy="the sweep joins the cluster of the file"
        )
    storage = next(iter(values_of("--storage", sweep)), "")
    if not (is_url(storage) or PurePosixPath(storage).is_absolute()):
        raise InputError(
            "a sweep on several hosts needs --storage with an absolute folder that all of them "
            "share, such as /shared/pancreatune/results, or with s3://BUCKET/PREFIX",
            seen=f"got {storage or 'none'}",
        )
    return storage


def values_of(name: str, options: Sequence[str]) -> list[str]:
    """Return all values of an option in a command line: ``NAME=VALUE`` or ``NAME VALUE``."""
    words = [word for option in options for word in option.split("=", 1)]
    return [value for word, value in pairwise([*words, ""]) if word == name]


def hand_over(client: Any, line: str, storage: str) -> str:
    """Upload this checkout and start the job. Returns the job's id.

    ``client`` is that of ``jobs_of``, and ``line`` the shell command of ``entrypoint``. ``storage``
    is kept in the job's metadata, where ``running_sweeps`` looks for it. Raises InputError if the
    running code is not a checkout.
    """
    if not (ROOT / "tune.py").is_file() or not (ROOT / "pyproject.toml").is_file():
        raise InputError(
            "the code is uploaded from a checkout of pancreatune",
            seen=f"{ROOT} is not one",
            remedy="clone the repository and start the sweep from there",
        )
    return str(
        client.submit_job(
            entrypoint=line,
            metadata={STORAGE: storage},
            submission_id=time.strftime(f"{PREFIX}%Y%m%d-%H%M%S"),
            runtime_env={"working_dir": str(ROOT), "excludes": LEFT_HERE},
        )
    )


def last_sweep(client: Any) -> str:
    """Return the id of the sweep that was submitted last. Raises InputError if there is none."""
    ids = [str(job.submission_id) for job in client.list_jobs() if job.submission_id]
    sweeps = sorted(one for one in ids if one.startswith(PREFIX))
    if not sweeps:
        raise InputError(
            "no sweep was submitted to this cluster since it started", remedy="submit one"
        )
    return sweeps[-1]


def running_sweeps(client: Any, storage: str) -> list[str]:
    """Return the ids of the sweeps with this storage that have not ended, in sorted order."""
    return sorted(
        str(job.submission_id)
        for job in client.list_jobs()
        if (job.submission_id or "").startswith(PREFIX)
        and not job.status.is_terminal()
        and (job.metadata or {}).get(STORAGE) == storage
    )


async def follow(client: Any, job: str, cluster: ClusterFile, console: Console) -> int:
    """Print the job's log from its beginning until the job ends. Returns the sweep's exit code.

    Raises InputError if the connection is lost.
    """
    from aiohttp import ClientError

    try:
        async for text in client.tail_job_logs(job):
            console.out(text, end="", highlight=False)
        info = client.get_job_info(job)
        if not info.status.is_terminal():
            raise ConnectionError("the log ended before the job")
    except (RuntimeError, ClientError, ConnectionError) as error:
        raise InputError(
            f"the connection to {cluster.head or 'the head'} was lost before the sweep ended",
            remedy="the sweep continues as long as the cluster runs; to watch it again, run "
            f"`pancreatune cluster follow {cluster.path}`",
        ) from error
    console.print(f"{job}: {info.status.value.lower()}", highlight=False)
    if info.driver_exit_code is None:  # it never ran, or its host was lost: Ray's message says so
        console.print(info.message, highlight=False, soft_wrap=True, markup=False)
        return 0 if info.status.value == "SUCCEEDED" else 1
    return int(info.driver_exit_code)
