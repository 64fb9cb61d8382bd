"""Objective, whitening, learning rate: which trains, and to what histogram distance.

    python benchmarks/objectives.py                    # 72 trainings, an hour of one core
    python benchmarks/objectives.py --crop pancreas    # half of them
    python benchmarks/objectives.py --quick            # one crop, one seed, a quarter of the epochs

Trainings are the demo's, on 40 phantoms of each crop, at two peak learning rates. A row a training:
the histogram distance of 8 samples, whole grid; then a row a setting with the interval over seeds.
Why a training stands still is the question of ``standing_still.py``.
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
    """What is compared."""

    crop: Crop
    objective: Objective
    whitening: Whitening
    learning_rate: float

    @property
    def name(self) -> str:
        """For rows."""
        return f"objectives.{self.crop}.{self.objective}.{self.whitening}.{self.learning_rate:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training: histogram distance of its samples, last loss beside the trivial one.

    ``largest_activation`` is the largest value before the last normalization, after training.
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
    """A setting over its seeds: the mean and its 95 % interval (Student's t)."""

    name: str
    histogram_distance_hu: float
    low: float
    high: float
    n_seeds: int
    n_stalled: int


def prepared_store(crop: Crop, storage: Path) -> LatentStore:
    """The latents of 40 phantoms, made as a sweep would."""
    command = (
        sys.executable,
        "-m",
        "pancreatune",
        "prepare",
        "--crop",
        crop,
        "--input-size",
        "fit",
    )
    subprocess.run([*command, "--storage", str(storage)], check=True, stdout=sys.stderr)
    (manifest,) = (storage / "latents").glob("[!.]*/manifest.json")
    return LatentStore(manifest.parent)


def configure(setting: Setting, seed: int, n_epochs: int) -> TrialConfig:
    """The demo with another objective, whitening and rate."""
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
    """Train, sample, and compare the samples with the held-out phantoms."""
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
    """The largest absolute value that the last normalization is given, for noise at 8 times."""
    seen: list[Tensor] = []
    handle = network.out[0].register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    noise = torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))
    network(noise, torch.linspace(0, 999, 8))
    handle.remove()
    return float(seen[0].abs().max())


def summarize(runs: list[Run]) -> Summary:
    """The interval over the seeds of one setting."""
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
    """All that is compared."""
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
