"""The command line of a sweep: ``python tune.py --crop pancreas``."""

import os
import sys

import typer
from platformdirs import user_cache_path
from rich.console import Console

from ldm.execution import Execution
from orchestration.arguments import Arguments, RecipeName, resolve
from orchestration.cluster import present_token
from orchestration.no_telemetry import stay_on_loopback
from orchestration.options import (
    STORAGE,
    AddressOption,
    AutoencoderOption,
    CompileOption,
    CropOption,
    DataOption,
    DryRunOption,
    EpochsOption,
    HashCasesOption,
    MicroBatchOption,
    NightOption,
    OutcomeOption,
    PhantomWeightsOption,
    RecipeOption,
    RescoreOption,
    SeedOption,
    SegmenterOption,
    SpaceOption,
    StorageOption,
    TrackingOption,
    TrialsOption,
    UntilOption,
    WorkersOption,
    exit_code,
)
from orchestration.settings import Space
from orchestration.study.sweep_outcome import OutcomeFile

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
def main(
    crop: CropOption,
    data: DataOption = None,
    hash_cases: HashCasesOption = False,
    recipe: RecipeOption = RecipeName.DEMO,
    space: SpaceOption = Space.DEFAULT,
    trials: TrialsOption = None,
    until: UntilOption = None,
    nightly: NightOption = None,
    rescore: RescoreOption = None,
    outcome: OutcomeOption = None,
    epochs: EpochsOption = None,
    seed: SeedOption = 0,
    dry_run: DryRunOption = False,
    storage: StorageOption = STORAGE,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    workers: WorkersOption = 1,
    micro_batch: MicroBatchOption = None,
    compile_network: CompileOption = False,
    autoencoder: AutoencoderOption = None,
    totalsegmentator_weights: SegmenterOption = None,
    allow_phantom_weights: PhantomWeightsOption = False,
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
        hash_cases=hash_cases,
        n_workers=workers,
        until_s=until,
        night=nightly,
        rescored=rescore,
        execution=Execution(micro_batch_size=micro_batch, is_compiled=compile_network),
    )

    def run() -> int:
        with OutcomeFile(outcome, storage) as file:
            return _run(arguments, console, file, is_dry=dry_run)

    sys.exit(exit_code(run))


def _run(arguments: Arguments, console: Console, file: OutcomeFile, *, is_dry: bool) -> int:
    config, cohort = resolve(arguments, console)
    if is_dry:
        from orchestration.dry_run import print_plan

        print_plan(config, cohort, console)
        return 0
    if config.address is None:
        stay_on_loopback()
    else:
        present_token()
    from orchestration.sweep import run_sweep

    ended = run_sweep(config, cohort, console)
    file.write(ended)
    return ended.exit_code


if __name__ == "__main__":
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    app()
