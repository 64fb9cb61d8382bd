"""The first half of a sweep's job, on the head: wait for every host, then check them.

``pancreatune cluster wait --n-hosts 3 --storage DIR`` exits with 0 when all are there and alike,
else with 2; it can be run by hand on the head at any time.
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

POLL_S = 2.0
MONITOR_LOGS = Path("/tmp/ray/session_latest/logs")  # of Ray's autoscaler, on the head
REFUSED = "REFUSED "  # how a command of the cluster file says why it does not start a host

NOT_AGAIN = (
    "mend that, then `pancreatune cluster down` and `ray up`: Ray does not try a host again that "
    "failed to start"
)


def wait_and_check(
    n_hosts: int, storage: str, *, hosts: Collection[str], wait_s: float, n_gpus: int
) -> int:
    """Wait for the hosts of this cluster and check them; returns 0.

    Raises InputError if hosts are missing, are not alike, or offer fewer GPUs than expected.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    present_token()
    connect("auto")
    wait_for_hosts(n_hosts, hosts, wait_s, console)
    reports = report_hosts(folder_of(storage), sharing=sharing_of(storage))
    for report in reports:
        console.print(_line(report))
    require_alike(reports)
    n_offered = sum(report.n_gpus_offered for report in reports)
    if n_offered < n_gpus:
        raise InputError(f"{n_gpus} GPUs are expected, {n_offered} are offered: see above")
    return 0


def wait_for_hosts(n_hosts: int, known: Collection[str], wait_s: float, console: Console) -> None:
    """Says who joined as they do; raises InputError with who did not, and what is known of why."""
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
    """What the commands of the cluster file wrote when they refused a host; empty off the head."""
    logs = sorted(MONITOR_LOGS.glob("monitor.*"))
    # The commands themselves are in the log too, but never at the start of a line.
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return {line.strip() for line in lines if line.startswith(REFUSED)}


def _n_hosts_of(refusals: Collection[str]) -> int:
    """A refusal begins with REFUSED and the host's name."""
    return len({refusal.split(maxsplit=2)[1] for refusal in refusals})


def _not_all(seen: str, waited_s: float, missing: list[str], refusals: list[str]) -> InputError:
    who = f"; missing: {', '.join(missing)}" if missing else ""
    why = refusals or [f"look into {MONITOR_LOGS}/monitor.out on the head"]
    head = f"a sweep needs all its hosts, after {waited_s:.0f} s {seen}{who}"
    return InputError("\n  ".join([head, *why, NOT_AGAIN]))


def _line(report: HostReport) -> str:
    named = dict(report.seen.versions)
    return (
        f"{report.who}: Ray {named['ray']}, Python {named['Python']}, "
        f"torch {named['torch']}, {report.n_gpus_offered} GPUs, clock {report.clock_ahead_s:+.2f} s"
    )
