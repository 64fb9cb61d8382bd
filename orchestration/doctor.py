"""What a sweep would need and whether it is here: ``python -m orchestration.doctor``."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from orchestration.cluster import local_resources, present_token
from orchestration.exit_code import exit_code
from orchestration.options import SweepOptions, takes_sweep_options
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

OPTIONS = (  # those of a sweep that something must be here for
    "crop",
    "data",
    "recipe",
    "n_trials",
    "storage",
    "tracking_uri",
    "address",
    "autoencoder",
    "totalsegmentator_weights",
    "allow_phantom_weights",
)

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@takes_sweep_options(*OPTIONS)
def main(
    options: SweepOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead.")] = False,
) -> None:
    """Say what a sweep would lack and how to get it; exit code 1 if it lacks anything.

    With --address, of every host of a running cluster too: are they alike?
    """

    def run() -> int:
        findings = list(findings_for(options))
        if as_json:
            print(json.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            _print(findings, Console())
        return 0 if all(finding.is_here for finding in findings) else 1

    sys.exit(exit_code(run))


def findings_for(options: SweepOptions) -> Iterator[Finding]:
    """What a sweep with these options needs, each with whether it is here and how to get it."""
    if options.address is not None:
        present_token()
    crop, recipe, data = options.crop, options.recipe, options.data
    weights, folder = options.totalsegmentator_weights, folder_of(options.storage)
    may_stand_in = options.allow_phantom_weights or are_phantoms(data)
    yield scans(data)
    yield autoencoder_weights(recipe, options.autoencoder, may_stand_in=may_stand_in)
    yield from segmenters(crop, weights, may_stand_in=may_stand_in)
    yield from object_storage(options.storage)
    yield room(folder, forecast(crop, recipe, data, options.n_trials or DEFAULT_TRIALS))
    yield tracking(options.tracking_uri or local_tracking_uri(folder))
    if options.address is None:
        yield hardware(recipe, *local_resources())
        return
    # At a URL, weights are handed to the hosts by it.
    given = (data,) if is_url(options.storage) else (data, options.autoencoder, weights)
    files = [path.expanduser().absolute() for path in given if path]
    yield from cluster_findings(options.address, recipe, options.storage, files)


def _print(findings: list[Finding], console: Console) -> None:
    for finding in findings:
        mark = Text("ok       ", "green") if finding.is_here else Text("MISSING  ", "bold red")
        console.print(mark + Text(f"{finding.name}: {finding.seen}"), soft_wrap=True)
        if not finding.is_here:
            console.print(Text(f"         {finding.remedy}"), soft_wrap=True)


if __name__ == "__main__":
    app()
