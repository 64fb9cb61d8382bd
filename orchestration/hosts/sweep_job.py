"""A sweep as a job of a cluster: handed over with its code, followed, found again."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
LOST = (
    "the connection to {head} was lost before the sweep's end; where the cluster runs, so does the "
    "sweep: pancreatune cluster follow {path}"
)


@contextmanager
def jobs_of(cluster: ClusterFile) -> Iterator[Any]:
    """Ray's job client, through a tunnel; raises InputError where no cluster runs."""
    from ray.job_submission import JobSubmissionClient

    silence_job_client()
    with dashboard(cluster) as url:
        try:
            client = JobSubmissionClient(url)
        except (ConnectionError, RuntimeError) as error:
            raise InputError(
                f"a cluster must be running at {cluster.head or cluster.path}, its dashboard says "
                f"({error}): start it by `ray up -y {cluster.path}`"
            ) from error
        yield client


def entrypoint(
    cluster: ClusterFile, sweep: Sequence[str], wait_s: float, n_gpus: int | None = None
) -> str:
    """What the head runs: wait for the hosts and check them, then the sweep."""
    hosts = [f"--host={address}" for address in (cluster.head, *cluster.workers) if address]
    ready = [
        f"--n-hosts={cluster.n_hosts}",
        f"--storage={storage_of(sweep)}",
        f"--wait-s={wait_s:g}",
        *([f"--n-gpus={n_gpus}"] if n_gpus else []),
    ]
    return (
        f"python -m pancreatune cluster wait {shlex.join([*ready, *hosts])} && "
        f"exec python -m pancreatune sweep {shlex.join(sweep)} --address auto"
    )


def storage_of(sweep: Sequence[str]) -> str:
    """The --storage of a sweep's options: a folder that every host sees, or a URL."""
    split = [part for option in sweep for part in option.split("=", 1)]
    if "--address" in split:
        raise InputError("--address must be left out: the sweep joins the cluster of the file")
    after = split[split.index("--storage") + 1 :] if "--storage" in split else []
    if not after or not (is_url(after[0]) or PurePosixPath(after[0]).is_absolute()):
        raise InputError(
            "a sweep on several hosts needs --storage with an absolute folder that all of them "
            "share, such as /shared/pancreatune/results, or with s3://BUCKET/PREFIX, got "
            f"{after[0] if after else 'none'}"
        )
    return after[0]


def hand_over(client: Any, line: str) -> str:
    """Ship the code, start the job; returns its id. The hosts need no copy of the code."""
    if not (ROOT / "tune.py").is_file() or not (ROOT / "pyproject.toml").is_file():
        raise InputError(f"the code is shipped from a checkout, {ROOT} is not one: clone it")
    return str(
        client.submit_job(
            entrypoint=line,
            submission_id=time.strftime(f"{PREFIX}%Y%m%d-%H%M%S"),
            runtime_env={"working_dir": str(ROOT), "excludes": LEFT_HERE},
        )
    )


def last_sweep(client: Any) -> str:
    """The id of the sweep that was handed over last; raises InputError where there is none."""
    ids = [str(job.submission_id) for job in client.list_jobs() if job.submission_id]
    sweeps = sorted(one for one in ids if one.startswith(PREFIX))
    if not sweeps:
        raise InputError("no sweep was handed to this cluster since it started: submit one")
    return sweeps[-1]


def running_sweeps(client: Any, storage: str) -> list[str]:
    """The ids of sweeps with this storage that have not ended."""
    return sorted(
        str(job.submission_id)
        for job in client.list_jobs()
        if (job.submission_id or "").startswith(PREFIX)
        and not job.status.is_terminal()
        and f"--storage={storage} " in job.entrypoint.replace("'", "")
    )


async def follow(client: Any, job: str, cluster: ClusterFile, console: Console) -> int:
    """Print what the job has said and says, to its end; returns the sweep's exit code."""
    from aiohttp import ClientError

    try:
        async for text in client.tail_job_logs(job):
            console.out(text, end="", highlight=False)
        info = client.get_job_info(job)
        if not info.status.is_terminal():
            raise ConnectionError("the log ended before the job")
    except (RuntimeError, ClientError, ConnectionError) as error:
        raise InputError(LOST.format(head=cluster.head or "the head", path=cluster.path)) from error
    console.print(f"{job}: {info.status.value.lower()}", highlight=False)
    if info.driver_exit_code is None:  # it never ran, or its host is gone: Ray says why
        console.print(info.message, highlight=False, soft_wrap=True, markup=False)
        return 0 if info.status.value == "SUCCEEDED" else 1
    return int(info.driver_exit_code)
