"""What a sweep would need and whether it is here: ``python -m orchestration.doctor``."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from evaluation.organs.weights import PHANTOM_WEIGHTS, check_weights, networks_for
from ldm.config import Crop, InputSize
from ldm.data.listing import list_cases
from ldm.errors import InputError
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, RECIPES
from orchestration.arguments import DEFAULT_TRIALS, GET_AUTOENCODER, RecipeName
from orchestration.cluster import local_resources
from orchestration.options import (
    STORAGE,
    AutoencoderOption,
    CropOption,
    DataOption,
    RecipeOption,
    SegmenterOption,
    StorageOption,
    TrialsOption,
    exit_code,
)

if TYPE_CHECKING:
    from orchestration.disk_forecast import DiskForecast

DECATHLON = "http://medicaldecathlon.com (Task07_Pancreas.tar)"
SPARE_GIB = 1.0  # what Ray, MLflow and TotalSegmentator write beside a sweep
N_PHANTOMS = 40
STAND_IN = ": trained on phantoms, for real scans only with --allow-phantom-weights"

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a sweep needs: is it here, what was seen, and how to get it."""

    name: str
    is_here: bool
    seen: str
    remedy: str = ""


@app.command()
def main(
    crop: CropOption,
    data: DataOption = None,
    recipe: RecipeOption = RecipeName.DEMO,
    trials: TrialsOption = None,
    storage: StorageOption = STORAGE,
    autoencoder: AutoencoderOption = None,
    totalsegmentator_weights: SegmenterOption = None,
) -> None:
    """Say which files are missing and where they are published; exit code 1 if any is."""
    console = Console()

    def run() -> int:
        findings = [
            _scans(data),
            _autoencoder(recipe, autoencoder, is_real=data is not None),
            *_segmenters(crop, totalsegmentator_weights, is_real=data is not None),
            _room(storage, _forecast(crop, recipe, data, trials or DEFAULT_TRIALS)),
            _hardware(recipe),
        ]
        for finding in findings:
            _print(finding, console)
        return 0 if all(finding.is_here for finding in findings) else 1

    sys.exit(exit_code(run))


def _print(finding: Finding, console: Console) -> None:
    mark = Text("ok       ", "green") if finding.is_here else Text("MISSING  ", "bold red")
    console.print(mark + Text(f"{finding.name}: {finding.seen}"), soft_wrap=True)
    if not finding.is_here:
        console.print(Text(f"         {finding.remedy}"), soft_wrap=True)


def _scans(data: Path | None) -> Finding:
    if data is None:
        return Finding(name="scans", is_here=True, seen="phantoms, generated when first needed")
    try:
        n_cases = len(list_cases(data).cases)
    except InputError as error:
        return Finding(
            name="scans", is_here=False, seen=str(error), remedy=f"published at {DECATHLON}"
        )
    return Finding(name="scans", is_here=True, seen=f"{data} lists {n_cases}")


def _autoencoder(recipe: RecipeName, path: Path | None, *, is_real: bool) -> Finding:
    config = RECIPES[recipe](Crop.PANCREAS).autoencoder
    name, remedy = "autoencoder", f"get MONAI's model_autoencoder.pt: {GET_AUTOENCODER}"
    if path is None and config == DEMO_AUTOENCODER:
        seen = f"{PHANTOM_AUTOENCODER}{STAND_IN if is_real else ''}"
        return Finding(name=name, is_here=not is_real, seen=seen, remedy=remedy)
    if path is None:
        return Finding(name=name, is_here=False, seen="no --autoencoder", remedy=remedy)
    import torch

    from ldm.autoencoder import load_autoencoder

    try:
        load_autoencoder(config, path, torch.device("cpu"))
    except InputError as error:
        return Finding(name=name, is_here=False, seen=str(error), remedy=remedy)
    return Finding(name=name, is_here=True, seen=f"{path} fits recipe {recipe}")


def _segmenters(crop: Crop, weights: Path | None, *, is_real: bool) -> Iterator[Finding]:
    for network in networks_for(crop):
        name = f"TotalSegmentator {network.task} at {network.spacing_mm:g} mm"
        try:
            check_weights(weights or PHANTOM_WEIGHTS, [network])
        except InputError as error:
            seen, _, remedy = str(error).rpartition(": ")
            yield Finding(name=name, is_here=False, seen=seen, remedy=remedy)
        else:
            is_stand_in = weights is None and is_real
            seen = str(network.folder_in(weights or PHANTOM_WEIGHTS))
            yield Finding(
                name=name,
                is_here=not is_stand_in,
                seen=f"{seen}{STAND_IN if is_stand_in else ''}",
                remedy=f"totalseg_download_weights -t {network.task}_fast",
            )


def _forecast(crop: Crop, recipe: RecipeName, data: Path | None, n_trials: int) -> "DiskForecast":
    from orchestration.disk_forecast import forecast_disk  # torch

    try:
        n_scans = N_PHANTOMS if data is None else len(list_cases(data).cases)
    except InputError:  # told by the finding on scans
        n_scans = 0
    return forecast_disk(
        RECIPES[recipe](crop), n_trials=n_trials, n_scans=n_scans, n_input_sizes=len(InputSize)
    )


def _room(storage: Path, forecast: "DiskForecast") -> Finding:
    folder = next(p for p in (storage.absolute(), *storage.absolute().parents) if p.is_dir())
    free_gib = shutil.disk_usage(folder).free / 2**30
    can_write = os.access(folder, os.W_OK)
    needed_gib = forecast.total_gib + SPARE_GIB
    return Finding(
        name="storage",
        is_here=can_write and free_gib >= needed_gib,
        seen=f"{folder} is {'' if can_write else 'not '}writable, {free_gib:.0f} GiB are free, "
        f"the sweep takes {needed_gib:.1f}",
        remedy=f"give a --storage that can be written to, with {needed_gib:.1f} GiB or more",
    )


def _hardware(recipe: RecipeName) -> Finding:
    n_cpus, n_gpus = local_resources()
    return Finding(
        name="hardware",
        is_here=n_gpus > 0 or recipe is RecipeName.DEMO,
        seen=f"{n_cpus} CPUs, {n_gpus} GPUs",
        remedy=f"recipe {recipe} trains on GPUs of 48 GB: join a cluster that has some (--address)",
    )


if __name__ == "__main__":
    app()
