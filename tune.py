"""The command line of a sweep: ``python tune.py --crop pancreas``."""

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from orchestration.cluster import present_token
from orchestration.exit_code import exit_code
from orchestration.no_telemetry import stay_on_loopback
from orchestration.option_types import HOW
from orchestration.options import SweepOptions, takes_sweep_options
from orchestration.resolution import resolve

EXAMPLES = """
Examples

  # generated phantoms, minutes on two cores; more trials go on where it ended
  python tune.py --crop pancreas
  python tune.py --crop pancreas --trials 20

  # what would run and on what; then the study's own models of a crop
  python tune.py --crop semi-body --space thesis --dry-run
  python tune.py --crop semi-body --space thesis

  # another search, shorter, kept elsewhere
  python tune.py --crop full-body --epochs 16 --seed 1 --storage other-results

  # real scans with the weights for phantoms, to try the program
  python tune.py --crop pancreas --data Task07_Pancreas --trials 2
      --allow-phantom-weights

  # real scans, real weights, a cluster and its MLflow server
  python tune.py --crop pancreas --recipe full --data Task07_Pancreas
      --autoencoder model_autoencoder.pt --totalsegmentator-weights WEIGHTS
      --address auto --tracking-uri http://mlflow.lab:5000
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
@takes_sweep_options()
def main(
    options: SweepOptions,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print what would run and on what, then exit.", rich_help_panel=HOW
        ),
    ] = False,
) -> None:
    """Search for the latent diffusion model that generates the most credible abdominal CT."""
    console = Console()
    sys.exit(exit_code(lambda: _run(options, console, is_dry=dry_run)))


def _run(options: SweepOptions, console: Console, *, is_dry: bool) -> int:
    config, cohort = resolve(options, console)
    if is_dry:
        from orchestration.dry_run import print_plan

        print_plan(config, cohort, console)
        return 0
    if config.options.address is None:
        stay_on_loopback()
    else:
        present_token()
    from orchestration.sweep import run_sweep

    return run_sweep(config, cohort, console)


if __name__ == "__main__":
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    app()
