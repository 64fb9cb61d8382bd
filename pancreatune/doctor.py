"""``pancreatune doctor``: check this machine before a sweep."""

from typing import Annotated

import typer
from rich.console import Console

from orchestration.options import SweepOptions, takes_sweep_options
from pancreatune.exit_code import exit_with


@takes_sweep_options(
    "crop",
    "semi_body_holds_pancreas",
    "data",
    "labels",
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as a JSON list.")
    ] = False,
) -> None:
    """Check that everything a sweep needs is here.

    Each missing part is shown with how to get it, and the exit code is 1. With --address, also
    checks that all hosts of the cluster have the same versions and files.
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
