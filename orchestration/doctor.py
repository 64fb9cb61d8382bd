"""What a sweep would need and whether it is here: ``python -m orchestration.doctor``."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ldm.data.cohort.case import Listing
from ldm.data.cohort.listing import list_cases
from ldm.errors import InputError
from orchestration.arguments import DEFAULT_TRIALS, RecipeName, local_tracking_uri
from orchestration.cluster import local_resources, present_token
from orchestration.options import (
    STORAGE,
    AddressOption,
    AutoencoderOption,
    CropOption,
    DataOption,
    PhantomWeightsOption,
    RecipeOption,
    SegmenterOption,
    StorageOption,
    TrackingOption,
    TrialsOption,
    exit_code,
)
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
from orchestration.storage.mirror import folder_of
from orchestration.storage.object_store import is_url

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def main(
    crop: CropOption,
    data: DataOption = None,
    recipe: RecipeOption = RecipeName.DEMO,
    trials: TrialsOption = None,
    storage: StorageOption = STORAGE,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    autoencoder: AutoencoderOption = None,
    totalsegmentator_weights: SegmenterOption = None,
    allow_phantom_weights: PhantomWeightsOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead.")] = False,
) -> None:
    """Say what a sweep would lack and how to get it; exit code 1 if it lacks anything.

    With --address, of every host of a running cluster too: are they alike?
    """

    def run() -> int:
        if address is not None:
            present_token()
        weights = totalsegmentator_weights
        listed = _listed(data)
        may_stand_in = allow_phantom_weights or are_phantoms(listed)
        findings = [
            scans(listed),
            autoencoder_weights(recipe, autoencoder, may_stand_in=may_stand_in),
            *segmenters(crop, weights, may_stand_in=may_stand_in),
            *object_storage(storage),
            room(folder_of(storage), forecast(crop, recipe, listed, trials or DEFAULT_TRIALS)),
            tracking(tracking_uri or local_tracking_uri(folder_of(storage))),
        ]
        if address is None:
            findings.append(hardware(recipe, *local_resources()))
        else:
            # At a URL, weights are handed to the hosts by it.
            given = (data,) if is_url(storage) else (data, autoencoder, weights)
            files = [path.expanduser().absolute() for path in given if path]
            findings += cluster_findings(address, recipe, storage, files)
        if as_json:
            print(json.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            _print(findings, Console())
        return 0 if all(finding.is_here for finding in findings) else 1

    sys.exit(exit_code(run))


def _listed(data: Path | None) -> Listing | InputError | None:
    """List the given folder once, for all that ask; an error is one of the findings."""
    try:
        return None if data is None else list_cases(data)
    except InputError as error:
        return error


def _print(findings: list[Finding], console: Console) -> None:
    for finding in findings:
        mark = Text("ok       ", "green") if finding.is_here else Text("MISSING  ", "bold red")
        console.print(mark + Text(f"{finding.name}: {finding.seen}"), soft_wrap=True)
        if not finding.is_here:
            console.print(Text(f"         {finding.remedy}"), soft_wrap=True)


if __name__ == "__main__":
    app()
