"""Compare objectives, whitenings and learning rates by the histogram distance of their samples.

    python benchmarks/objectives.py                    # 72 trainings, an hour on one core
    python benchmarks/objectives.py --crop pancreas    # half of them
    python benchmarks/objectives.py --quick            # one crop, one seed, a quarter of the epochs

The trainings have the size and the schedule of the recipe ``demo``, with 40 phantoms of each crop
and two peak learning rates. Each training prints a row with the histogram distance of 8 samples
over the whole grid. Each setting then prints a row with the mean and its interval over the seeds.
``standing_still.py`` examines why some trainings do not learn.
"""

import argparse
import dataclasses
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rows import machine
from scipy.stats import t as student
from torch import Tensor, nn

from evaluation.histograms.histogram import distance_hu, whole_grid_histograms
from ldm.autoencoder.model import load_autoencoder
from ldm.config import Crop, Objective, SamplingConfig, TrialConfig, Whitening
from ldm.data.cohort.cohort import Split
from ldm.data.latents.store import LatentStore
from ldm.data.latents.whitening import whitening_statistics
from ldm.diffusion.sample import decode_to_hu, sample_latents
from ldm.diffusion.stall import is_stalled
from ldm.diffusion.train import Training
from ldm.recipes import PHANTOM_AUTOENCODER, demo

CPU = torch.device("cpu")
RATES = (1e-3, 2e-3)
SEEDS = (0, 1, 2)
N_SAMPLES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One combination of the compared values."""

    crop: Crop
    objective: Objective
    whitening: Whitening
    learning_rate: float

    @property
    def name(self) -> str:
        """The name of the setting's rows."""
        return f"objectives.{self.crop}.{self.objective}.{self.whitening}.{self.learning_rate:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of one training.

    Attributes
    ----------
    name
        Name of the setting.
    seed
        Seed of the training.
    histogram_distance_hu
        Distance of the samples' histograms from those of held-out phantoms, in HU.
    loss
        Loss of the last epoch.
    trivial_loss
        Loss of predicting zero everywhere, in the last epoch.
    largest_activation
        Largest absolute value before the last normalization, after training.
    machine
        The machine that it ran on.
    """

    name: str
    seed: int
    histogram_distance_hu: float
    loss: float
    trivial_loss: float
    largest_activation: float
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The results of one setting over its seeds.

    Attributes
    ----------
    name
        Name of the setting.
    histogram_distance_hu
        Mean distance in HU.
    low, high
        Bounds of its 95 % interval (Student's t).
    n_seeds
        Number of trainings.
    n_stalled
        Number of trainings that did not learn.
    """

    name: str
    histogram_distance_hu: float
    low: float
    high: float
    n_seeds: int
    n_stalled: int


def prepared_store(crop: Crop, storage: Path) -> LatentStore:
    """Prepare 40 phantoms as a sweep would and return the store of their latents."""
    options = ("--crop", crop, "--input-size", "fit")
    command = (sys.executable, "-m", "pancreatune", "prepare", *options)
    subprocess.run([*command, "--storage", str(storage)], check=True, stdout=sys.stderr)
    (manifest,) = (storage / "latents").glob("[!.]*/manifest.json")
    return LatentStore(manifest.parent)


def configure(setting: Setting, seed: int, n_epochs: int) -> TrialConfig:
    """Return the recipe ``demo`` with a setting, a seed and a number of epochs.

    The milestones are scaled to the number of epochs.
    """
    base = demo(setting.crop)
    milestones = tuple(
        max(i, m * n_epochs // base.training.epochs)
        for i, m in enumerate(base.training.schedule.milestones_epochs, 1)
    )
    schedule = dataclasses.replace(
        base.training.schedule,
        learning_rate=setting.learning_rate,
        milestones_epochs=milestones,
    )
    training = dataclasses.replace(
        base.training,
        objective=setting.objective,
        whitening=setting.whitening,
        epochs=n_epochs,
        schedule=schedule,
        seed=seed,
    )
    n_steps = 30 if setting.objective is Objective.RECTIFIED_FLOW else 50
    sampling = SamplingConfig(n_samples=N_SAMPLES, n_steps=n_steps, seed=1)
    return dataclasses.replace(base, training=training, sampling=sampling)


def run(setting: Setting, store: LatentStore, seed: int, n_epochs: int) -> Run:
    """Train and draw samples, and compare these with the held-out phantoms."""
    config = configure(setting, seed, n_epochs)
    whitening = whitening_statistics(store.manifest.latents, setting.whitening)
    mean, std = (torch.from_numpy(array) for array in store.posterior())
    training = Training(config, mean=mean, std=std, whitening=whitening, device=CPU)
    *_, last = training.epochs()
    latents = sample_latents(
        training.average,
        shape=config.latent_shape,
        objective=setting.objective,
        sampling=config.sampling,
        device=CPU,
    )
    autoencoder = load_autoencoder(config.autoencoder, PHANTOM_AUTOENCODER, CPU)
    samples = decode_to_hu(autoencoder, latents, whitening, CPU)
    reference = whole_grid_histograms(store.volumes(Split.VALIDATION))
    return Run(
        name=setting.name,
        seed=seed,
        histogram_distance_hu=distance_hu(whole_grid_histograms(samples), reference),
        loss=last.loss,
        trivial_loss=last.trivial_loss,
        largest_activation=largest_activation(training.network, config.latent_shape),
        machine=machine(),
    )


@torch.no_grad()
def largest_activation(network: nn.Module, shape: tuple[int, ...]) -> float:
    """Return the largest absolute input of the last normalization, for noise at 8 times."""
    seen: list[Tensor] = []
    handle = network.out[0].register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    noise = torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))
    network(noise, torch.linspace(0, 999, 8))
    handle.remove()
    return float(seen[0].abs().max())


def summarize(runs: list[Run]) -> Summary:
    """Return the mean and the 95 % interval over the trainings of one setting."""
    values = np.array([run.histogram_distance_hu for run in runs])
    half = 0.0
    if len(values) > 1:
        half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return Summary(
        name=f"{runs[0].name}.mean",
        histogram_distance_hu=float(values.mean()),
        low=float(values.mean() - half),
        high=float(values.mean() + half),
        n_seeds=len(values),
        n_stalled=sum(is_stalled(run.loss, run.trivial_loss) for run in runs),
    )


def settings(crops: tuple[Crop, ...]) -> Iterator[Setting]:
    """Yield all settings to compare."""
    for crop, objective, whitening, rate in itertools.product(crops, Objective, Whitening, RATES):
        yield Setting(crop=crop, objective=objective, whitening=whitening, learning_rate=rate)


def main() -> None:
    """Print a line of JSON for each training and each setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--crop", type=Crop, help="default: pancreas and full-body")
    arguments = parser.parse_args()
    crops: tuple[Crop, ...] = (Crop.PANCREAS, Crop.FULL_BODY)
    if arguments.quick or arguments.crop:
        crops = (arguments.crop or Crop.PANCREAS,)
    seeds = SEEDS[:1] if arguments.quick else SEEDS
    n_epochs = arguments.epochs // 4 if arguments.quick else arguments.epochs
    with tempfile.TemporaryDirectory() as folder:
        stores = {crop: prepared_store(crop, Path(folder) / crop) for crop in crops}
        for setting in settings(crops):
            runs = [run(setting, stores[setting.crop], seed, n_epochs) for seed in seeds]
            for one in (*runs, summarize(runs)):
                print(json.dumps(asdict(one)), flush=True)


if __name__ == "__main__":
    main()
