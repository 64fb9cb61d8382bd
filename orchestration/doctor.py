"""What a sweep would need and whether it is here: ``pancreatune doctor``."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ldm.data.cohort.case import Listing
from ldm.data.cohort.listing import list_cases
from ldm.errors import InputError
from orchestration.cluster import local_resources, present_token
from orchestration.options import SweepOptions
from orchestration.preflight.findings import (
    Finding,
    are_phantoms,
    autoencoder_weights,
    forecast,
    hardware,
    object_storage,
    room,
    scans,
    segmenters,
)
from orchestration.preflight.node_findings import cluster_findings
from orchestration.preflight.tracking_finding import tracking
from orchestration.resolution import DEFAULT_TRIALS, local_tracking_uri
from orchestration.storage.mirror import folder_of
from orchestration.storage.object_store import is_url


def findings_for(options: SweepOptions) -> Iterator[Finding]:
    """What a sweep with these options needs, each with whether it is here and how to get it."""
    if options.address is not None:
        present_token()
    crop, recipe, data = options.crop, options.recipe, options.data
    weights, folder = options.totalsegmentator_weights, folder_of(options.storage)
    listed = _listed(data)
    may_stand_in = options.allow_phantom_weights or are_phantoms(listed)
    yield scans(listed)
    yield autoencoder_weights(recipe, options.autoencoder, may_stand_in=may_stand_in)
    yield from segmenters(crop, weights, may_stand_in=may_stand_in)
    yield from object_storage(options.storage)
    yield room(folder, forecast(crop, recipe, listed, options.n_trials or DEFAULT_TRIALS))
    yield tracking(options.tracking_uri or local_tracking_uri(folder))
    if options.address is None:
        yield hardware(recipe, *local_resources())
        return
    # At a URL, weights are handed to the hosts by it.
    given = (data,) if is_url(options.storage) else (data, options.autoencoder, weights)
    files = [path.expanduser().absolute() for path in given if path]
    yield from cluster_findings(options.address, recipe, options.storage, files)


def print_as_json(findings: Sequence[Finding]) -> None:
    """Print one JSON list, for other programs."""
    print(json.dumps([asdict(finding) for finding in findings], indent=2))


def _listed(data: Path | None) -> Listing | InputError | None:
    """List the given folder once, for all that ask; an error is one of the findings."""
    try:
        return None if data is None else list_cases(data)
    except InputError as error:
        return error


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print a line for each finding, and the remedy of each that is missing."""
    for finding in findings:
        mark = Text("ok       ", "green") if finding.is_here else Text("MISSING  ", "bold red")
        console.print(mark + Text(f"{finding.name}: {finding.seen}"), soft_wrap=True)
        if not finding.is_here:
            console.print(Text(f"         {finding.remedy}"), soft_wrap=True)
