"""Check that everything a sweep needs is here: ``pancreatune doctor``."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from evaluation.organs.weights import PHANTOM_WEIGHTS
from ldm.config import Crop
from ldm.data.cohort.case import Listing
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.mask_labels import labels_in
from ldm.errors import InputError
from orchestration.cluster import local_resources, present_token
from orchestration.options import SweepOptions
from orchestration.preflight.findings import (
    Finding,
    are_phantoms,
    autoencoder_weights,
    first_scans,
    forecast,
    hardware,
    object_storage,
    room,
    scans,
    segmenters,
)
from orchestration.preflight.node_findings import cluster_findings
from orchestration.preflight.ray_findings import ray_findings
from orchestration.preflight.tracking_finding import tracking
from orchestration.resolution import DEFAULT_TRIALS, check_cube, local_tracking_uri
from orchestration.storage.mirror import folder_of
from orchestration.storage.object_store import is_url


def findings_for(options: SweepOptions) -> Iterator[Finding]:
    """Yield a finding for each thing that a sweep with these options needs.

    A finding says whether the thing is here, and otherwise how to get it. With an address, all
    hosts of the cluster are checked too. Raises InputError if the storage is a URL that is not
    valid.
    """
    if options.address is not None:
        present_token()
    check_cube(options)
    crop, recipe, data = options.crop, options.recipe, options.data
    weights, folder = options.totalsegmentator_weights, folder_of(options.storage)
    listed = _listed(data, options.labels)
    allows_phantoms = options.allow_phantom_weights or are_phantoms(listed)
    yield scans(listed)
    if isinstance(listed, Listing) and listed.cases and not listed.is_phantom:
        yield first_scans(listed)
    yield autoencoder_weights(recipe, options.autoencoder, allow_phantom_weights=allows_phantoms)
    networks = list(segmenters(crop, weights, allow_phantom_weights=allows_phantoms))
    yield from networks
    if crop is Crop.SEMI_BODY and isinstance(listed, Listing):
        yield from _cubes(options, listed, all(network.is_here for network in networks))
    yield from object_storage(options.storage)
    yield room(folder, forecast(crop, recipe, listed, options.n_trials or DEFAULT_TRIALS))
    yield tracking(options.tracking_uri or local_tracking_uri(folder))
    yield from ray_findings(options.address)
    if options.address is None:
        yield hardware(recipe, *local_resources())
        return
    # If the storage is a URL, hosts get the weights from there.
    given = (data,) if is_url(options.storage) else (data, options.autoencoder, weights)
    files = [path.expanduser().absolute() for path in given if path]
    yield from cluster_findings(options.address, recipe, options.storage, files)


def _cubes(options: SweepOptions, listed: Listing, has_networks: bool) -> Iterator[Finding]:
    """Yield a finding on the semi-body cubes of the first scans with a mask, if it can be had."""
    if not has_networks or not any(case.mask is not None for case in listed.cases):
        return
    from evaluation.trunk import trunk_finder
    from orchestration.preflight.cube_finding import cubes_of_first_scans

    weights = options.totalsegmentator_weights or PHANTOM_WEIGHTS
    yield cubes_of_first_scans(
        listed,
        trunk_finder(options.crop, weights),
        holds_pancreas=options.semi_body_holds_pancreas,
    )


def print_as_json(findings: Sequence[Finding]) -> None:
    """Print the findings as a JSON list, for other programs."""
    print(json.dumps([asdict(finding) for finding in findings], indent=2))


def _listed(data: Path | None, labels: str | None) -> Listing | InputError | None:
    """Return the cases of a folder, or the error that listing it raised.

    Returns None if no folder is given.
    """
    try:
        return None if data is None else list_cases(data, labels_in(labels) if labels else None)
    except InputError as error:
        return error


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print a line for each finding, followed by its remedy if the thing is missing."""
    for finding in findings:
        mark = Text("ok       ", "green") if finding.is_here else Text("MISSING  ", "bold red")
        console.print(mark + Text(f"{finding.name}: {finding.seen}"), soft_wrap=True)
        if not finding.is_here:
            console.print(Text(f"         {finding.remedy}"), soft_wrap=True)
