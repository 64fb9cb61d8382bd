"""``pancreatune doctor``: what a sweep would need, and whether it is here."""

from typing import Annotated

import typer
from rich.console import Console

from orchestration.options import SweepOptions, takes_sweep_options
from pancreatune.exit_code import exit_with


@takes_sweep_options(
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
def doctor(
    options: SweepOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead.")] = False,
) -> None:
    """Check what a sweep needs, and say what is missing.

    Each missing part is named with how to get it, and the exit code is 1. With --address, every
    host of a running cluster is checked too: are they alike?
    """

    def run() -> int:
        from orchestration.doctor import findings_for, print_as_json, print_findings

        findings = list(findings_for(options))
        if as_json:
            print_as_json(findings)
        else:
            print_findings(findings, Console())
        return 0 if all(finding.is_here for finding in findings) else 1

    exit_with(run)
