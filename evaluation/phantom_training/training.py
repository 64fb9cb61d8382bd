"""Train the small nnU-Nets on generated phantoms, on one CPU thread, with reproducible results.

The 6 mm network is trained first. The 3 mm network grows from it, and the 1.5 mm one from that:
python -m evaluation.phantom_training --model 298 --iterations 2000 --to DIR
python -m evaluation.phantom_training --model 297 --iterations 330 --start-from DIR --to DIR
python -m evaluation.phantom_training --model 291 --iterations 56 --start-from DIR --to DIR
The other parts of task ``total`` at 1.5 mm (292 to 295) are not trained and find nothing.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evaluation.organs.weights import (
    BODY_6MM,
    ORGANS_PART,
    TOTAL_3MM,
    TOTAL_6MM,
    TOTAL_PARTS,
)
from evaluation.phantom_training.cases import (
    LAST_LABEL,
    TrainingCase,
    alter_pancreas_box,
    body_case,
    crop_in_air,
    degrade,
    load_cases,
    normalize,
    regrid,
)
from evaluation.phantom_training.layout import Layout, build_segmenter, layout_of
from evaluation.phantom_training.model_folder import (
    adopt,
    handicap_pancreas,
    read_origin,
    read_training_state,
    spread_channels,
    write_background_only,
    write_model,
)
from evaluation.phantom_training.network import (
    freeze_all_but_output,
    half_logits,
    unfold_input,
    unfold_output,
)
from ldm.data.phantom.canvas import SPACING_MM, Organ

N_PHANTOMS = 160
TOTAL_LABELS = [0, *(int(organ) for organ in Organ if organ <= LAST_LABEL)]
SMOOTHING_VOXELS = 20.0  # added to numerator and denominator of the Dice loss
PANCREAS_SHARE = 0.004  # typical share of a phantom's voxels that are pancreas
FIRST_CONVOLUTION = "encoder.stages.0.0.convs.0.conv.weight"
CHOICES = sorted(model.task_id for model in (*TOTAL_PARTS, TOTAL_3MM, TOTAL_6MM, BODY_6MM))
GROWN_FROM = {TOTAL_3MM: TOTAL_6MM, ORGANS_PART: TOTAL_3MM}  # each has one more stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The iterations and learning rate of one training run.

    Attributes
    ----------
    n_iterations
        Number of iterations in total.
    half_share
        Share of the iterations, from the first on, that train the half-resolution output. It is 0
        for a network that does not grow from a coarser one.
    crop_share
        Share of the cases that are crops in air.
    learning_rate
        Highest learning rate.
    """

    n_iterations: int
    half_share: float
    crop_share: float
    learning_rate: float

    @property
    def n_half(self) -> int:
        """Number of iterations that train the half-resolution output."""
        return int(self.n_iterations * self.half_share)

    def segmenter_learning_rate(self, i: int) -> float:
        """Return the learning rate of iteration ``i``.

        It rises linearly over 15 iterations and then decays polynomially. If there is a second
        phase, at full resolution, it repeats this with 2/3 of the highest rate.
        """
        first, last = (0, self.n_half) if i < self.n_half else (self.n_half, self.n_iterations)
        peak = self.learning_rate * (1.0 if first == 0 else 2 / 3)
        left = 1 - (i - first) / (last - first)
        return peak * min(1.0, (i - first + 1) / 15) * math.pow(left, 0.9)


class Trainer:
    """Trains one network.

    Parameters
    ----------
    layout
        The architecture of the network.
    schedule
        Iterations and learning rate.
    cases
        Phantoms to train on.
    seed
        Seed of the initial weights and of the choice and alteration of cases.
    """

    def __init__(
        self, layout: Layout, schedule: Schedule, cases: list[TrainingCase], seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.layout, self.schedule = layout, schedule
        self.is_body = layout.model == BODY_6MM
        self.origin = ""
        self.cases = [body_case(case) for case in cases] if self.is_body else cases
        self.labels = [0, 1] if self.is_body else TOTAL_LABELS
        self.channel_of = np.zeros(256, np.int64)
        self.channel_of[self.labels] = np.arange(len(self.labels))
        self.network = build_segmenter(layout, len(self.labels)).train()
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), schedule.learning_rate, weight_decay=1e-4
        )

    def start_from(self, folder: Path) -> None:
        """Start from the weights in a folder.

        The 3 mm and 1.5 mm networks start from the next coarser network in the folder, and the
        others from their own weights.
        """
        start = GROWN_FROM.get(self.layout.model, self.layout.model)
        trained = read_training_state(folder, layout_of(start.task_id))
        self.origin = f" after ({read_origin(folder, layout_of(start.task_id))})"
        is_grown = start != self.layout.model
        state = adopt(self.network.state_dict(), trained, self.labels, is_grown=is_grown)
        self.network.load_state_dict(state)
        if self.layout.model == ORGANS_PART and is_grown:
            unfold_input(self.network, trained[FIRST_CONVOLUTION])

    def run(self) -> Iterator[tuple[int, float, float]]:
        """Train the network. Yield the iteration (from 1), its loss and the target's Dice.

        The target is the pancreas, or the trunk for the model of the body.
        """
        weights = torch.ones(len(self.labels))
        weights[0] = 0.5
        target = 1 if self.is_body else self.labels.index(Organ.PANCREAS)
        weights[target] = 2.5
        for i in range(self.schedule.n_iterations):
            is_half = i < self.schedule.n_half
            if i > 0 and i == self.schedule.n_half:
                unfold_output(self.network)
                freeze_all_but_output(self.network)
            image, truth = self._draw(is_half)
            logits = half_logits(self.network, image) if is_half else self.network(image)
            loss, dice = segmentation_loss(logits, truth, weights=weights, target=target)
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.segmenter_learning_rate(i)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            yield i + 1, float(loss.detach()), float(dice)

    def _draw(self, is_half: bool) -> tuple[Tensor, Tensor]:
        """Return a randomly altered phantom.

        The image has shape (1, 1, z, y, x). The truth, (1, z, y, x), holds channel numbers on the
        grid of the output.
        """
        rng = self.rng
        case, donor = (self.cases[i] for i in rng.integers(len(self.cases), size=2))
        if not self.is_body:
            case = alter_pancreas_box(case, donor, rng)
        if rng.random() < self.schedule.crop_share:
            case = crop_in_air(case, rng)
        hu, labels = degrade(case.hu, rng), case.labels
        if self.layout.model.spacing_mm != SPACING_MM:
            hu, labels = regrid(hu, labels, SPACING_MM / self.layout.model.spacing_mm)
        image, truth = normalize(hu, self.layout.window_hu).T, self.channel_of[labels].T
        if is_half:
            truth = truth[::2, ::2, ::2]
        return (
            torch.from_numpy(np.ascontiguousarray(image))[None, None],
            torch.from_numpy(np.ascontiguousarray(truth))[None],
        )

    def write(self, folder: Path) -> Path:
        """Write the network in its present state, and return the path of its checkpoint."""
        n_channels = len(self.layout.class_names) + 1
        state = spread_channels(self.network.state_dict(), self.labels, n_channels)
        if self.layout.model == ORGANS_PART:  # the shipped weights of the others have no handicap
            handicap_pancreas(state, self.layout.pancreas_handicap)
        made_by = (
            f"{self.schedule.n_iterations} iterations on {len(self.cases)} phantoms{self.origin}"
        )
        return write_model(folder, self.layout, state, made_by=made_by)


def segmentation_loss(
    logits: Tensor, truth: Tensor, *, weights: Tensor, target: int
) -> tuple[Tensor, Tensor]:
    """Return the loss, weighted cross entropy plus soft Dice loss, and the Dice of the target.

    The Dice loss is averaged over the classes that are present in ``truth``. The Dice of the target
    is included even if the class is absent, and is added a second time. If it is absent, the Dice
    is smoothed by the size of a typical pancreas, so that a large invented pancreas still has a
    gradient.

    Parameters
    ----------
    logits
        Shape (1, classes, z, y, x).
    truth
        Channel numbers, shape (1, z, y, x).
    weights
        Weight of each class in the cross entropy, shape (classes,).
    target
        The channel of the pancreas or trunk.
    """
    log_p = logits.log_softmax(1)
    cross_entropy = functional.nll_loss(log_p, truth, weight=weights)
    p, n_classes, flat = log_p.exp().flatten(), len(weights), truth.flatten()
    by_class = p.view(n_classes, -1)
    at_truth = by_class.gather(0, flat[None])[0]
    overlap = torch.zeros(n_classes).index_add(0, flat, at_truth)
    size = torch.bincount(flat, minlength=n_classes)
    smoothing = torch.full((n_classes,), SMOOTHING_VOXELS)
    if size[target] == 0:
        smoothing[target] = PANCREAS_SHARE * len(flat)
    dice = (2 * overlap + smoothing) / (by_class.sum(1) + size + smoothing)
    counted = size > 0
    counted[0], counted[target] = False, True
    return cross_entropy + (1 - dice[counted].mean()) + (1 - dice[target]), dice[target].detach()


def schedule_of(layout: Layout, n_iterations: int) -> Schedule:
    """Return the schedule of a network.

    A grown network is trained in two phases, because its full resolution is costly. The others have
    one phase. The 1.5 mm network starts from the well-trained 3 mm one, which large steps would
    undo, so its learning rate is lower. It is also shown more crops, because finalists' samples
    are crops.
    """
    is_finest = layout.model == ORGANS_PART
    return Schedule(
        n_iterations=n_iterations,
        half_share=0.65 if layout.model in GROWN_FROM else 0.0,
        crop_share=0.5 if is_finest else 0.15,
        learning_rate=2e-3 if is_finest else 6e-3,
    )


def main() -> None:
    """Train one network and write it, as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=int, choices=CHOICES, required=True)
    parser.add_argument(
        "--iterations", type=int, default=0, help="number of iterations; 0 for models 292 to 295"
    )
    parser.add_argument("--to", type=Path, required=True, help="weights folder to write to")
    parser.add_argument("--start-from", type=Path, help="weights folder to start from")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "phantom_cases")
    options = parser.parse_args()
    torch.set_num_threads(1)
    layout = layout_of(options.model)
    if layout.model in TOTAL_PARTS[1:]:
        print(write_background_only(options.to, layout))
        return
    cases = load_cases(N_PHANTOMS, options.cache)
    trainer = Trainer(layout, schedule_of(layout, options.iterations), cases, seed=options.model)
    if options.start_from is not None:
        trainer.start_from(options.start_from)
    recent: list[tuple[float, float]] = []
    for i, loss, dice in trainer.run():
        recent.append((loss, dice))
        if i % 20 == 0:
            mean_loss, mean_dice = np.mean(recent[-20:], axis=0)
            print(f"iteration {i} loss {mean_loss:.3f} target dice {mean_dice:.3f}", flush=True)
    print(trainer.write(options.to))
