"""Find out why some trainings do not learn at a high learning rate, one factor at a time.

    python benchmarks/standing_still.py            # 24 short trainings, 20 minutes on one core
    python benchmarks/standing_still.py --quick    # 3 of them

In an early prototype, three of four combinations of objective and whitening ended with the loss of
predicting zero everywhere. This benchmark repeats its trainings: pancreas crops, 32 to 96 channels,
batches of 4, PyTorch's OneCycleLR with a peak of 2e-3, and no limit for the gradient norm. By
default OneCycleLR also moves Adam's first beta, from 0.95 to 0.85 at the peak and back. Each
combination is trained in three ways, from the same weights and with the same random numbers: as in
the prototype, with a constant beta, and with the gradient norm limited to 1.

Each training prints a row. ``largest_activation`` is the largest absolute value before the last
normalization. If it grows without limit, the normalized values no longer depend on the input.
"""

import argparse
import dataclasses
import itertools
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from objectives import CPU, largest_activation, prepared_store
from rows import machine
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from ldm.config import Crop, Objective, TrialConfig, Whitening
from ldm.data.latents.store import LatentStore
from ldm.data.latents.whitening import whitening_statistics
from ldm.diffusion.stall import is_stalled
from ldm.diffusion.train import Training
from ldm.recipes import demo

PROTOTYPE = dataclasses.replace(demo(Crop.PANCREAS).denoiser, channels=(32, 64, 96), norm_groups=16)
N_EPOCHS = 24  # of 7 steps; a training that has not learned by then does not learn later
RATE = 2e-3
ONE_CYCLE = {"max_lr": RATE, "total_steps": 1000, "pct_start": 0.05}
SEEDS = (1, 2)
WAYS = tuple(itertools.product((Objective.EPSILON, Objective.RECTIFIED_FLOW), Whitening))


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One way of training.

    Attributes
    ----------
    name
        Name for the rows.
    moves_beta
        Whether OneCycleLR moves Adam's first beta.
    limit
        Largest gradient norm; None for no limit.
    """

    name: str
    moves_beta: bool
    limit: float | None


FACTORS = (
    Factor(name="as-sketched", moves_beta=True, limit=None),
    Factor(name="beta-fixed", moves_beta=False, limit=None),
    Factor(name="gradients-limited", moves_beta=True, limit=1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of one short training.

    Attributes
    ----------
    name
        Objective, whitening and way of training.
    seed
        Seed of the training.
    n_steps
        Optimizer steps.
    loss
        Loss of the last epoch.
    trivial_loss
        Loss of predicting zero everywhere, in the last epoch.
    stands_still
        Whether the training did not learn.
    first_activation
        Largest absolute value before the last normalization, before training.
    largest_activation
        The same, after training.
    largest_gradient_norm
        Largest mean gradient norm of an epoch, before clipping.
    machine
        The machine that it ran on.
    """

    name: str
    seed: int
    n_steps: int
    loss: float
    trivial_loss: float
    stands_still: bool
    first_activation: float
    largest_activation: float
    largest_gradient_norm: float
    machine: str


class OneCycleTraining(Training):
    """A training with the learning rates and the first beta of PyTorch's OneCycleLR."""

    def follow_one_cycle(self, moves_beta: bool) -> None:
        """Create the schedule. To be called before the first step."""
        self._cycle = OneCycleLR(self.optimizer, **ONE_CYCLE, cycle_momentum=moves_beta)

    def step(self, batch: Tensor) -> Tensor:
        """Take one optimizer step, then one step of the schedule."""
        terms = super().step(batch)
        self._cycle.step()
        return terms

    def _set_learning_rate(self) -> None:
        """Do nothing: OneCycleLR sets the learning rate."""


def configure(
    objective: Objective, whitening: Whitening, limit: float | None, seed: int
) -> TrialConfig:
    """Return the recipe ``demo`` with the prototype's network and batch size."""
    base = demo(Crop.PANCREAS)
    training = dataclasses.replace(
        base.training,
        objective=objective,
        whitening=whitening,
        epochs=N_EPOCHS,
        batch_size=4,
        gradient_clip_norm=limit,
        seed=seed,
    )
    return dataclasses.replace(base, denoiser=PROTOTYPE, training=training)


def run(config: TrialConfig, factor: Factor, store: LatentStore) -> Run:
    """Train once, in the way of ``factor``, and return losses, activations and gradient norms.

    ``store`` holds the latents to train on.
    """
    plan = config.training
    mean, std = (torch.from_numpy(array) for array in store.posterior())
    training = OneCycleTraining(
        config,
        mean=mean,
        std=std,
        whitening=whitening_statistics(store.manifest.latents, plan.whitening),
        device=CPU,
    )
    training.follow_one_cycle(factor.moves_beta)
    first = largest_activation(training.network, config.latent_shape)
    reports = list(training.epochs())
    last = reports[-1]
    return Run(
        name=f"standing_still.{plan.objective}.{plan.whitening}.{factor.name}",
        seed=plan.seed,
        n_steps=last.step,
        loss=last.loss,
        trivial_loss=last.trivial_loss,
        stands_still=is_stalled(last.loss, last.trivial_loss),
        first_activation=first,
        largest_activation=largest_activation(training.network, config.latent_shape),
        largest_gradient_norm=max(report.gradient_norm for report in reports),
        machine=machine(),
    )


def main() -> None:
    """Print a line of JSON for each training."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ways, seeds = (WAYS[1:2], SEEDS[:1]) if arguments.quick else (WAYS, SEEDS)
    with tempfile.TemporaryDirectory() as folder:
        store = prepared_store(Crop.PANCREAS, Path(folder))
        for (objective, whitening), seed, factor in itertools.product(ways, seeds, FACTORS):
            config = configure(objective, whitening, factor.limit, seed)
            print(json.dumps(asdict(run(config, factor, store))), flush=True)


if __name__ == "__main__":
    main()
