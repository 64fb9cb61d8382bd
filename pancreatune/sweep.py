"""``pancreatune sweep``, also available as ``python tune.py``."""

import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from orchestration.option_types import HOW
from orchestration.options import SweepOptions, takes_sweep_options
from pancreatune.exit_code import exit_with

if TYPE_CHECKING:
    from orchestration.study.sweep_outcome import OutcomeFile


def examples(program: str) -> str:
    """Return the examples at the end of the help, with the name the program was called by."""
    return f"""
Examples

  # try it on generated phantoms (minutes on two CPU cores), then run more trials
  {program} --crop pancreas
  {program} --crop pancreas --trials 20

  # show what would run, then train the models of the study for one crop
  {program} --crop semi-body --space thesis --dry-run
  {program} --crop semi-body --space thesis

  # a shorter search with another seed, stored elsewhere
  {program} --crop full-body --epochs 16 --seed 1 --storage other-results

  # try the program on real scans with the weights for phantoms
  {program} --crop pancreas --data Task07_Pancreas --trials 2
      --allow-phantom-weights

  # search on real scans with real weights, on a cluster with an MLflow server
  {program} --crop pancreas --recipe full --data Task07_Pancreas
      --autoencoder model_autoencoder.pt --totalsegmentator-weights WEIGHTS
      --address auto --tracking-uri http://mlflow.lab:5000
"""


@takes_sweep_options()
def sweep(
    options: SweepOptions,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the settings, the scans and the resources, then exit.",
            rich_help_panel=HOW,
        ),
    ] = False,
) -> None:
    """Search for the latent diffusion model that generates the most credible abdominal CT."""

    def run() -> int:
        from orchestration.study.sweep_outcome import OutcomeFile

        with OutcomeFile(options.outcome, options.storage) as file:
            return _run(options, Console(), file, is_dry=dry_run)

    exit_with(run)


def _run(options: SweepOptions, console: Console, file: "OutcomeFile", *, is_dry: bool) -> int:
    from orchestration.resolution import resolve

    config, cohort = resolve(options, console, needs_weights=not is_dry)
    if is_dry:
        from orchestration.dry_run import print_plan

        print_plan(config, cohort, console)
        return 0
    from orchestration.cluster import present_token
    from orchestration.no_telemetry import stay_on_loopback

    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    if options.address is None:
        stay_on_loopback()
    else:
        present_token()
    from orchestration.sweep import run_sweep  # Ray reads the variables above when imported

    ended = run_sweep(config, cohort, console)
    file.write(ended)
    return ended.exit_code
