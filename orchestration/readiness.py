"""The first half of a sweep's job, on the head: wait for every host, then check them.

``pancreatune cluster wait --n-hosts 3 --storage DIR`` exits with 0 if all hosts have joined and are
alike, otherwise with 2. It can be run by hand on the head at any time.
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
# Commands of the cluster file print this word and the host's name, then why they do not start the
# host. Such a host runs no code of ours: Ray's log of its commands is all that comes from it.
REFUSED = "REFUSED "

NOT_AGAIN = (
    "fix that, then `pancreatune cluster down` and `ray up`: Ray does not try again to start a "
    "host that failed once"
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
    """Wait for the hosts of this cluster and check them; returns 0.

    Raises InputError if hosts are missing, are not alike, or offer fewer GPUs than expected. Then
    the sweep does not start, and ``outcome`` is where that is written.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    with OutcomeFile(outcome, storage):
        present_token()
        connect("auto")
        wait_for_hosts(n_hosts, hosts, wait_s, console)
        _check(storage, n_gpus, console)
    return 0


def _check(storage: str, n_gpus: int, console: Console) -> None:
    """Raise InputError unless the hosts are alike and offer enough GPUs. Prints a line for each."""
    reports = report_hosts(folder_of(storage), sharing=sharing_of(storage))
    for report in reports:
        console.print(_line(report))
    require_alike(reports)
    n_offered = sum(report.n_gpus_offered for report in reports)
    if n_offered < n_gpus:
        raise InputError(
            f"{n_gpus} GPUs are expected", seen=f"{n_offered} are offered", remedy="see above"
        )


def wait_for_hosts(n_hosts: int, known: Collection[str], wait_s: float, console: Console) -> None:
    """Wait until ``n_hosts`` hosts have joined, and print who they are as they join.

    Raises InputError if some of them do not join, with their names and reasons if known.
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
    """The lines with which hosts refused to start. Ray's log of them is on the head only."""
    logs = sorted(MONITOR_LOGS.glob("monitor.*"))
    # The log also shows the commands themselves, but never at the start of a line.
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return {line.strip() for line in lines if line.startswith(REFUSED)}


def _n_hosts_of(refusals: Collection[str]) -> int:
    """The number of hosts that refused. A refusal begins with REFUSED and the host's name."""
    return len({refusal.split(maxsplit=2)[1] for refusal in refusals})


def _not_all(seen: str, waited_s: float, missing: list[str], refusals: list[str]) -> InputError:
    who = f"; missing: {', '.join(missing)}" if missing else ""
    why = refusals or [f"look into {MONITOR_LOGS}/monitor.out on the head"]
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
