"""The command line of a sweep: ``python tune.py --crop pancreas``."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_cache_path
from rich.console import Console

from ldm.config import Crop
from ldm.errors import PancreatuneError
from orchestration.arguments import Arguments, RecipeName, resolve
from orchestration.cluster import present_token
from orchestration.settings import Space

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
WHAT, HOW, WHERE, WEIGHTS = "What is generated", "How it is searched", "Where it runs", "Weights"


@app.command(epilog=EXAMPLES)
def main(
    crop: Annotated[Crop, typer.Option(help="Where scans are cut.", rich_help_panel=WHAT)],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder in the Task07 layout. Without it, 40 phantoms are generated.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    recipe: Annotated[
        RecipeName,
        typer.Option(
            help="demo: small, for two CPU cores. full: the study's size with our choices. "
            "thesis: the study's way.",
            rich_help_panel=WHAT,
        ),
    ] = RecipeName.DEMO,
    space: Annotated[
        Space,
        typer.Option(
            help="default: Optuna searches. thesis: exactly the study's models of this crop.",
            rich_help_panel=HOW,
        ),
    ] = Space.DEFAULT,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Trials in all, finished ones included. Default: 4, or all of the study's models.",
            rich_help_panel=HOW,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="N",
            help="Epochs of a trial; milestones keep their place. Default: the recipe's.",
            rich_help_panel=HOW,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="Of search, training and phantoms.", rich_help_panel=HOW),
    ] = 0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print what would run, on what, and stop.", rich_help_panel=HOW
        ),
    ] = False,
    storage: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where everything is kept. The same command with the same folder resumes.",
            rich_help_panel=WHERE,
        ),
    ] = Path("pancreatune-results"),
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            envvar="MLFLOW_TRACKING_URI",
            help="An MLflow server. Default: a database in the storage folder.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Join a running Ray cluster (`auto` or HOST:PORT). Default: start a local one.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The autoencoder's weights. Default: ours, trained on phantoms, recipe demo only.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    totalsegmentator_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="TOTALSEG_WEIGHTS_PATH",
            help="TotalSegmentator's weights folder. On phantoms, ours by default.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    allow_phantom_weights: Annotated[
        bool,
        typer.Option(
            "--allow-phantom-weights",
            help="Let weights that know only phantoms stand in for missing ones on real scans.",
            rich_help_panel=WEIGHTS,
        ),
    ] = False,
) -> None:
    """Search for the latent diffusion model that generates the most credible abdominal CT."""
    console = Console()
    arguments = Arguments(
        crop=crop,
        data=data,
        recipe=recipe,
        space=space,
        n_trials=trials,
        epochs=epochs,
        seed=seed,
        storage=storage,
        tracking_uri=tracking_uri,
        address=address,
        autoencoder=autoencoder,
        segmenter_weights=totalsegmentator_weights,
        allow_phantom_weights=allow_phantom_weights,
        cache=user_cache_path("pancreatune"),
    )
    try:
        code = _run(arguments, console, is_dry=dry_run)
    except PancreatuneError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        code = 2
    sys.exit(code)


def _run(arguments: Arguments, console: Console, *, is_dry: bool) -> int:
    config, cohort = resolve(arguments, console)
    if is_dry:
        from orchestration.dry_run import print_plan

        print_plan(config, cohort, console)
        return 0
    if config.address is not None:
        present_token()
    from orchestration.sweep import run_sweep

    return run_sweep(config, cohort, console)


if __name__ == "__main__":
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    app()
