"""Wait for all hosts of a cluster and check them, before a sweep starts.

This is the first part of a job that ``pancreatune cluster submit`` runs on the head.
``pancreatune cluster wait --n-hosts 3 --storage DIR`` runs it by hand. It exits with 0 if all hosts
have joined and pass the checks, otherwise with 2.
"""

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rich.console import Console

from ldm.errors import InputError
from orchestration.cluster import connect, present_token
from orchestration.preflight.node_checks import HostReport, report_hosts
from orchestration.preflight.node_findings import require_alike
from orchestration.storage.mirror import folder_of, sharing_of
from orchestration.study.sweep_outcome import OutcomeFile

POLL_S = 2.0
MONITOR_LOGS = Path("/tmp/ray/session_latest/logs")  # of Ray's autoscaler, on the head
# If a host must not start, the commands of the cluster file print this word, the host's name and
# the reason. Such a host runs none of this code: Ray's log of these commands is the only source.
REFUSED = "REFUSED "

NOT_AGAIN = (
    "fix this, then run `pancreatune cluster down` and `ray up`: Ray does not retry a host that "
    "failed to start"
)


def wait_and_check(
    n_hosts: int,
    storage: str,
    *,
    hosts: Collection[str],
    wait_s: float,
    n_gpus: int,
    outcome: str | None = None,
) -> int:
    """Wait until all hosts of this cluster have joined, then check them. Returns 0.

    Parameters
    ----------
    n_hosts
        Number of hosts, including the head.
    storage
        The storage of the sweep, a folder or URL that all hosts must be able to use.
    hosts
        Addresses of the hosts, as far as they are known. The error names those that are missing.
    wait_s
        How long to wait, in seconds.
    n_gpus
        Number of GPUs that all hosts together must offer.
    outcome
        A file or URL that an error is also written to, or None.

    Raises
    ------
    InputError
        If hosts are missing, fail a check of ``host_findings``, or offer too few GPUs.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    with OutcomeFile(outcome, storage):
        present_token()
        connect("auto")
        wait_for_hosts(n_hosts, hosts, wait_s, console)
        _check(storage, n_gpus, console)
    return 0


def _check(storage: str, n_gpus: int, console: Console) -> None:
    """Print a line for each host. Raise InputError unless they match and have enough GPUs."""
    reports = report_hosts(folder_of(storage), sharing=sharing_of(storage))
    for report in reports:
        console.print(_line(report))
    require_alike(reports)
    n_offered = sum(report.n_gpus_offered for report in reports)
    if n_offered < n_gpus:
        raise InputError(
            f"{n_gpus} GPUs are expected",
            seen=f"{n_offered} are offered",
            remedy="see above for the GPUs of each host",
        )


def wait_for_hosts(n_hosts: int, known: Collection[str], wait_s: float, console: Console) -> None:
    """Wait until ``n_hosts`` hosts have joined. Prints their addresses as they join.

    Raises InputError if hosts are missing after ``wait_s`` seconds, or as soon as all missing hosts
    have refused to start. The error gives the reasons of the hosts that refused. It also names the
    addresses in ``known`` that have not joined.
    """
    begun, said, refusals = time.monotonic(), "", set[str]()
    while True:
        here, waited_s = _living_hosts(), time.monotonic() - begun
        seen = f"{len(here)} of {n_hosts} hosts: {', '.join(here)}"
        if seen != said:
            console.print(f"after {waited_s:.0f} s {seen}")
        if len(here) >= n_hosts:
            return
        for refusal in sorted(_refusals() - refusals):
            console.print(refusal)
            refusals.add(refusal)
        if waited_s > wait_s or len(here) + _n_hosts_of(refusals) >= n_hosts:
            raise _not_all(seen, waited_s, sorted(set(known) - set(here)), sorted(refusals))
        said = seen
        time.sleep(POLL_S)


def _living_hosts() -> list[str]:
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()
    return sorted(str(node["NodeManagerAddress"]) for node in nodes if node["Alive"])


def _refusals() -> set[str]:
    """Return the lines in Ray's log on the head that hosts printed when they refused to start."""
    logs = sorted(MONITOR_LOGS.glob("monitor.*"))
    # The log also shows the commands themselves, but never at the start of a line.
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return {line.strip() for line in lines if line.startswith(REFUSED)}


def _n_hosts_of(refusals: Collection[str]) -> int:
    """Return the number of different hosts in these refusals.

    A refusal consists of the word REFUSED, the name of the host and a reason.
    """
    return len({refusal.split(maxsplit=2)[1] for refusal in refusals})


def _not_all(seen: str, waited_s: float, missing: list[str], refusals: list[str]) -> InputError:
    who = f"; missing: {', '.join(missing)}" if missing else ""
    why = refusals or [f"for the reason, see {MONITOR_LOGS}/monitor.out on the head"]
    return InputError(
        "a sweep needs all its hosts",
        seen=f"after {waited_s:.0f} s {seen}{who}",
        details=why,
        remedy=NOT_AGAIN,
    )


def _line(report: HostReport) -> str:
    named = dict(report.seen.versions)
    return (
        f"{report.who}: Ray {named['ray']}, Python {named['Python']}, "
        f"torch {named['torch']}, {report.n_gpus_offered} GPUs, clock {report.clock_ahead_s:+.2f} s"
    )
