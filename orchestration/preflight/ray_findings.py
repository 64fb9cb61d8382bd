"""Check whether Ray can start on this host, and this program can keep its cache."""

from collections.abc import Iterator

from ldm.errors import InputError
from orchestration.preflight.findings import RAY, Finding, missing
from orchestration.ray_host import host_errors, notes
from orchestration.resolution import writable_cache


def ray_findings(address: str | None) -> Iterator[Finding]:
    """Yield a finding about Ray on this host for each fault, or one that there is none.

    With an address, Ray does not start here, so only what matters to joining it is looked at.
    """
    errors = list(host_errors()) if address is None else []
    yield from (missing(RAY, error) for error in errors)
    if address is None and not errors:
        yield Finding(name=RAY, is_here=True, seen="can start on this host")
    for note in notes():
        yield Finding(name=RAY, is_here=True, seen=note)
    try:
        yield Finding(name="cache", is_here=True, seen=f"{writable_cache()} can be written to")
    except InputError as error:
        yield missing("cache", error)
