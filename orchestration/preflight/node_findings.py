"""Check that all hosts of a cluster are alike before a sweep, with one finding per subject."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ldm.errors import InputError
from orchestration.cluster import connect
from orchestration.options import RecipeName
from orchestration.preflight.findings import Finding, hardware, missing
from orchestration.preflight.node_checks import (
    NO_FILE,
    HostReport,
    report_hosts,
    sizes,
    versions,
)
from orchestration.storage.mirror import folder_of, sharing_of

MAX_CLOCK_DIFFERENCE_S = 2.0
Value = TypeVar("Value")


def cluster_findings(
    address: str, recipe: RecipeName, storage: str, files: Collection[Path]
) -> list[Finding]:
    """Join a running cluster, inspect all its hosts, and leave it again.

    ``files`` are the paths that must be the same on all hosts. If the cluster cannot be joined or a
    host does not answer, the only finding says so.
    """
    import ray

    try:
        n_cpus, n_gpus = connect(address)
        reports = report_hosts(folder_of(storage), files, sharing_of(storage))
    except InputError as error:
        return [missing("cluster", error)]
    finally:
        ray.shutdown()
    return [hardware(recipe, n_cpus, n_gpus), *host_findings(reports, files)]


def host_findings(reports: Sequence[HostReport], files: Collection[Path] = ()) -> list[Finding]:
    """Return one finding each about versions, storage, files, clocks and GPUs of all hosts.

    Versions and the sizes of ``files`` must be those that this process sees on its own host. If
    there are no files, there is no finding about them. Every host must be able to use the storage,
    have a clock close to that of this host, and see as many GPUs as it offers.
    """
    return [
        _finding(
            "versions",
            _versions(reports),
            f"Ray, Python, packages and code are the same on {_n_hosts(reports)} as here",
            "give all hosts the same environment and the same code",
        ),
        _finding(
            "storage",
            (f"{one.who}: {one.seen.storage_error}" for one in reports if one.seen.storage_error),
            f"the same on {_n_hosts(reports)}, each can write to it and sees "
            f"{min(one.seen.free_gib for one in reports):.0f} GiB or more free",
            "mount the same storage on all hosts, and let this user write to it",
        ),
        *([_files(reports, files)] if files else []),
        _finding(
            "clocks",
            _clocks(reports),
            f"at most {max(abs(one.clock_ahead_s) for one in reports):.2f} s off the clock here",
            "turn on the time service there: timedatectl set-ntp true",
        ),
        _finding(
            "GPUs",
            _lost_gpus(reports),
            "; ".join(f"{what} on {who}" for what, who in _grouped(map(_cards, reports), reports)),
            "run nvidia-smi there, and leave --num-gpus out where Ray is started",
        ),
    ]


def require_alike(reports: Sequence[HostReport], files: Collection[Path] = ()) -> None:
    """Raise InputError if a host fails a check of ``host_findings``.

    The details of the error name each failed check and its remedy.
    """
    wrong = [one for one in host_findings(reports, files) if not one.is_here]
    if wrong:
        lines = [f"{one.name}: {one.seen}: {one.remedy}" for one in wrong]
        raise InputError("the hosts of this cluster must be alike", details=lines)


def _finding(subject: str, wrong: Iterable[str], fine: str, remedy: str) -> Finding:
    problems = "; ".join(wrong)
    name = f"{subject} on all hosts"
    return Finding(name=name, is_here=not problems, seen=problems or fine, remedy=remedy)


def _n_hosts(reports: Sequence[HostReport]) -> str:
    return "1 host" if len(reports) == 1 else f"{len(reports)} hosts"


def _versions(reports: Sequence[HostReport]) -> Iterator[str]:
    here = dict(versions())
    for name, version in here.items():
        there = [dict(one.seen.versions).get(name, "none") for one in reports]
        for other, who in _grouped(there, reports):
            if other != version:
                yield f"{name} is {other} on {who}, {version} here"


def _files(reports: Sequence[HostReport], files: Collection[Path]) -> Finding:
    return _finding(
        "files",
        _other_files(reports, files),
        f"{', '.join(map(str, files))}: the same on {_n_hosts(reports)}",
        "put scans and weights on the storage that all hosts share",
    )


def _other_files(reports: Sequence[HostReport], files: Collection[Path]) -> Iterator[str]:
    for path, size in sizes(files):
        there = [dict(one.seen.files)[path] for one in reports]
        for other, who in _grouped(there, reports):
            if other != size:
                yield f"{path} {'does not exist' if other == NO_FILE else 'differs'} on {who}"


def _clocks(reports: Sequence[HostReport]) -> Iterator[str]:
    for one in reports:
        if abs(one.clock_ahead_s) > MAX_CLOCK_DIFFERENCE_S:
            yield (
                f"{one.who} is {one.clock_ahead_s:+.1f} s off the clock here, at most "
                f"{MAX_CLOCK_DIFFERENCE_S:g} s are allowed"
            )


def _lost_gpus(reports: Sequence[HostReport]) -> Iterator[str]:
    for one in reports:
        if len(one.seen.gpus) < one.n_gpus_offered:
            yield f"{one.who} offers {one.n_gpus_offered} GPUs, its driver sees {_cards(one)}"


def _cards(report: HostReport) -> str:
    """Return the GPUs of a host and their driver: ``2 x NVIDIA L40S of 45 GiB, driver 550.54``."""
    names = [f"{gpu.name} of {gpu.memory_gib:.0f} GiB" for gpu in report.seen.gpus]
    counted = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
    return f"{', '.join(counted)}, driver {report.seen.driver}" if counted else "none"


def _grouped(values: Iterable[Value], reports: Sequence[HostReport]) -> list[tuple[Value, str]]:
    """Return the distinct values, each with the names of the hosts that have it."""
    hosts = defaultdict[Value, list[str]](list)
    for value, report in zip(values, reports, strict=True):
        hosts[value].append(report.who)
    return [(value, ", ".join(who)) for value, who in hosts.items()]
