"""Train the demo's autoencoder on phantoms: ``python -m ldm.autoencoder_training --to FILE``.

Most steps see small patches, many optimizer steps for little work; the last ones see whole crops,
so that group normalization meets the volumes it will be used on. About 40 minutes of one core.
"""

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ldm.autoencoder import build_autoencoder, decode, encode, load_autoencoder
from ldm.config import Crop
from ldm.data.body import body_mask
from ldm.data.canvas import Organ
from ldm.data.crop import VoxelBox, find_box
from ldm.data.grid import to_grid
from ldm.data.intensity import WINDOW_HU, to_unit
from ldm.data.phantom import make_phantom
from ldm.data.volume import FloatArray
from ldm.recipes import PHANTOM_AUTOENCODER, demo

TRAINING_SEEDS = range(300_000, 300_080)
UNSEEN_SEEDS = range(400_000, 400_012)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderTraining:
    """How the autoencoder is trained. The patch phase ends where the whole-crop phase starts."""

    n_steps: int = 2000
    whole_crop_from: float = 0.8
    patch_voxels: tuple[int, int, int] = (24, 24, 16)
    patch_batch: int = 4
    whole_batch: int = 1
    learning_rate: float = 1.5e-3
    kl_weight: float = 1e-6
    crop_shares: tuple[float, float, float] = (0.4, 0.35, 0.25)  # coarse crops are harder
    seed: int = 0


def phantom_crops(seed: int) -> FloatArray:
    """The three crops of one phantom on the demo's grid in [0, 1], shape (3, x, y, z)."""
    phantom = make_phantom(seed)
    inside = np.argwhere(phantom.organs == Organ.PANCREAS)
    low, high = inside.min(0).tolist(), (inside.max(0) + 1).tolist()
    mask_box: VoxelBox = ((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    crops = []
    for crop in Crop:
        box = find_box(
            crop,
            phantom.scan,
            mask_box=mask_box,
            margin_mm=0.0,
            find_trunk=lambda volume: body_mask(volume.array),
        )
        grid = to_grid(phantom.scan, box, demo(crop).image.grid_voxels)
        crops.append(to_unit(grid.array))
    return np.stack(crops)


def load_crops(seeds: Sequence[int], n_workers: int) -> Tensor:
    """The crops of many phantoms, shape (n, 3, x, y, z), half precision."""
    with ProcessPoolExecutor(n_workers) as pool:
        return torch.from_numpy(np.stack(list(pool.map(phantom_crops, seeds)))).half()


def autoencoder_loss(network: nn.Module, images: Tensor, kl_weight: float) -> Tensor:
    """Mean absolute error, the error of each crop's mean, and the Kullback-Leibler divergence to
    N(0, 1) (Kingma 2014, app. B).

    The second is there because group normalization loses a crop's level, which HU must keep.
    """
    reconstruction, mean, std = network(images)
    level = (reconstruction - images).mean(dim=(1, 2, 3, 4)).abs().mean()
    kl = 0.5 * (mean**2 + std**2 - 2 * torch.log(std + 1e-8) - 1).mean()
    loss: Tensor = functional.l1_loss(reconstruction, images) + level + kl_weight * kl
    return loss


def train_autoencoder(
    network: nn.Module,
    crops: Tensor,
    plan: AutoencoderTraining,
    on_step: Callable[[int, float], None],
) -> None:
    """One cycle of training on crops (n, 3, x, y, z) in [0, 1]; deterministic on one thread."""
    optimizer = torch.optim.Adam(network.parameters(), plan.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, total_steps=plan.n_steps, pct_start=0.1
    )
    rng = np.random.default_rng(plan.seed)
    for step in range(plan.n_steps):
        is_whole = step >= plan.whole_crop_from * plan.n_steps
        images = _batch(crops, plan, rng, is_whole=is_whole)
        loss = autoencoder_loss(network, images, plan.kl_weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        on_step(step, float(loss.detach()))


def _batch(
    crops: Tensor, plan: AutoencoderTraining, rng: np.random.Generator, *, is_whole: bool
) -> Tensor:
    """Random crops or patches of them, mirrored at random, (n, 1, x, y, z)."""
    n = plan.whole_batch if is_whole else plan.patch_batch
    size = tuple(crops.shape[2:]) if is_whole else plan.patch_voxels
    images = []
    for _ in range(n):
        image = crops[
            rng.integers(len(crops)), rng.choice(len(plan.crop_shares), p=plan.crop_shares)
        ]
        start = [
            rng.integers(0, full - part + 1) for full, part in zip(image.shape, size, strict=True)
        ]
        patch = image[tuple(slice(s, s + part) for s, part in zip(start, size, strict=True))]
        images.append(patch.flip([axis for axis in range(3) if rng.random() < 0.5]))
    return torch.stack(images)[:, None].float()


@torch.no_grad()
def error_hu(network: nn.Module, crops: Tensor) -> dict[Crop, float]:
    """Mean absolute error in HU of encoding to the mean and decoding, for each crop."""
    scale_hu = WINDOW_HU[1] - WINDOW_HU[0]
    errors: dict[Crop, list[float]] = {crop: [] for crop in Crop}
    for phantom in crops.float():
        for crop, image in zip(Crop, phantom, strict=True):
            decoded = decode(network, encode(network, image[None, None]).mean)
            errors[crop].append(float((decoded - image).abs().mean()) * scale_hu)
    return {crop: float(np.mean(values)) for crop, values in errors.items()}


def main() -> None:
    """Train, save in half precision, and print the error of what was saved on unseen phantoms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=PHANTOM_AUTOENCODER)
    parser.add_argument("--steps", type=int, default=AutoencoderTraining().n_steps)
    parser.add_argument("--start-from", type=Path, help="go on from these weights: a second cycle")
    parser.add_argument("--learning-rate", type=float, default=AutoencoderTraining().learning_rate)
    parser.add_argument(
        "--whole-crop-from", type=float, default=AutoencoderTraining().whole_crop_from
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    crops = load_crops(TRAINING_SEEDS, arguments.threads)

    def report(step: int, loss: float) -> None:
        if step % 100 == 0:
            print(f"step {step}: loss {loss:.5f}", flush=True)

    plan = AutoencoderTraining(
        n_steps=arguments.steps,
        whole_crop_from=arguments.whole_crop_from,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    torch.manual_seed(plan.seed)
    network = build_autoencoder(demo(Crop.PANCREAS).autoencoder)
    if arguments.start_from is not None:
        network.load_state_dict({k: v.float() for k, v in load_file(arguments.start_from).items()})
    train_autoencoder(network, crops, plan, report)
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half().contiguous() for k, v in network.state_dict().items()}, arguments.to)
    saved = load_autoencoder(demo(Crop.PANCREAS).autoencoder, arguments.to, torch.device("cpu"))
    for crop, error in error_hu(saved, load_crops(UNSEEN_SEEDS, arguments.threads)).items():
        print(f"{crop}: mean absolute error {error:.1f} HU on {len(UNSEEN_SEEDS)} unseen phantoms")


if __name__ == "__main__":
    main()
