"""Train the demo's autoencoder on phantoms: ``python -m ldm.autoencoder_training --to FILE``.

The encoder is found, not trained: principal components (``ldm.autoencoder_start``). The decoder
then learns to undo them on latents with noise in them, because the latents of a diffusion model
carry some (noise-augmented decoding: Zheng 2025, arXiv 2510.11690). About 20 minutes of one core.
"""

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ldm.autoencoder import build_autoencoder, decode, encode, load_autoencoder
from ldm.autoencoder_start import start_from_components
from ldm.config import Crop
from ldm.data.body import body_mask
from ldm.data.box import VoxelBox
from ldm.data.canvas import Organ
from ldm.data.crop import find_box
from ldm.data.field_of_view import whole
from ldm.data.grid import to_grid
from ldm.data.intensity import WINDOW_HU, to_unit
from ldm.data.phantom import make_phantom
from ldm.data.volume import FloatArray
from ldm.networks import AutoencoderKL
from ldm.recipes import PHANTOM_AUTOENCODER, demo

TRAINING_SEEDS = range(300_000, 300_080)
UNSEEN_SEEDS = range(400_000, 400_012)
WINDOW_WIDTH_HU = WINDOW_HU[1] - WINDOW_HU[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderTraining:
    """How the decoder is trained; latents have unit variance over all crops, as has their noise."""

    n_steps: int = 2000
    batch_size: int = 8
    patch_latents: tuple[int, int, int] = (6, 6, 4)
    learning_rate: float = 3e-4
    largest_latent_noise: float = 0.2
    crop_shares: tuple[float, float, float] = (0.4, 0.35, 0.25)  # coarse crops are harder
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Latents (n, 3, channels, x, y, z) and the crops (n, 3, 4x, 4y, 4z) that they stand for."""

    latents: Tensor
    crops: Tensor


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
        grid = to_grid(phantom.scan, whole(box), demo(crop).image.grid_voxels)
        crops.append(to_unit(grid.array))
    return np.stack(crops)


def load_crops(seeds: Sequence[int], n_workers: int) -> Tensor:
    """The crops of many phantoms, shape (n, 3, x, y, z), half precision."""
    with ProcessPoolExecutor(n_workers) as pool:
        return torch.from_numpy(np.stack(list(pool.map(phantom_crops, seeds)))).half()


def encode_crops(network: AutoencoderKL, crops: Tensor) -> Pairs:
    """Each crop with the mean of its posterior; crops (n, 3, x, y, z) in [0, 1]."""
    means = encode(network, crops.flatten(0, 1)[:, None].float()).mean
    return Pairs(latents=means.reshape(*crops.shape[:2], *means.shape[1:]), crops=crops)


def train_decoder(
    network: AutoencoderKL,
    pairs: Pairs,
    plan: AutoencoderTraining,
    on_step: Callable[[int, float], None],
) -> None:
    """Mean absolute error of decoding noisy patches of latents; deterministic on one thread.

    The first convolution, the last normalization and the last convolution stay as they were
    started: they carry a crop's level through, and a small change of them moves every voxel.
    """
    trained = [p for block in network.decoder.blocks[1:-2] for p in block.parameters()]
    optimizer = torch.optim.Adam(trained, plan.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, total_steps=plan.n_steps
    )
    rng = np.random.default_rng(plan.seed)
    generator = torch.Generator().manual_seed(plan.seed)
    for step in range(plan.n_steps):
        latents, images = _batch(pairs, plan, rng)
        noise = torch.randn(latents.shape, generator=generator)
        level = torch.rand(len(latents), 1, 1, 1, 1, generator=generator)
        noisy = latents + plan.largest_latent_noise * level * noise
        loss = functional.l1_loss(network.decode(noisy), images)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        on_step(step, float(loss.detach()))


def _batch(
    pairs: Pairs, plan: AutoencoderTraining, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Patches of latents (n, channels, x, y, z) and of their images (n, 1, 4x, 4y, 4z)."""
    factor = pairs.crops.shape[-1] // pairs.latents.shape[-1]
    latents, images = [], []
    for _ in range(plan.batch_size):
        scan, crop = (
            rng.integers(len(pairs.crops)),
            rng.choice(len(plan.crop_shares), p=plan.crop_shares),
        )
        whole = pairs.latents.shape[-3:]
        start = [
            int(rng.integers(n - part + 1))
            for n, part in zip(whole, plan.patch_latents, strict=True)
        ]
        spans = list(zip(start, plan.patch_latents, strict=True))
        latents.append(pairs.latents[scan, crop][:, *(slice(s, s + n) for s, n in spans)])
        images.append(
            pairs.crops[scan, crop][tuple(slice(factor * s, factor * (s + n)) for s, n in spans)]
        )
    return torch.stack(latents), torch.stack(images)[:, None].float()


@torch.no_grad()
def error_hu(network: nn.Module, crops: Tensor) -> dict[Crop, float]:
    """Mean absolute error in HU of encoding to the mean and decoding, for each crop."""
    errors: dict[Crop, list[float]] = {crop: [] for crop in Crop}
    for phantom in crops.float():
        for crop, image in zip(Crop, phantom, strict=True):
            decoded = decode(network, encode(network, image[None, None]).mean)
            errors[crop].append(float((decoded - image).abs().mean()) * WINDOW_WIDTH_HU)
    return {crop: float(np.mean(values)) for crop, values in errors.items()}


def main() -> None:
    """Train, save in half precision, and print the error of what was saved on unseen phantoms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=PHANTOM_AUTOENCODER)
    parser.add_argument("--steps", type=int, default=AutoencoderTraining().n_steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    crops = load_crops(TRAINING_SEEDS, arguments.threads)

    losses: list[float] = []

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: {np.mean(losses[-100:]) * WINDOW_WIDTH_HU:.1f} HU", flush=True)

    plan = AutoencoderTraining(n_steps=arguments.steps, seed=arguments.seed)
    torch.manual_seed(plan.seed)
    network = build_autoencoder(demo(Crop.PANCREAS).autoencoder)
    start_from_components(network, crops.flatten(0, 1)[:, None].float())
    train_decoder(network, encode_crops(network, crops), plan, report)
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half().contiguous() for k, v in network.state_dict().items()}, arguments.to)
    saved = load_autoencoder(demo(Crop.PANCREAS).autoencoder, arguments.to, torch.device("cpu"))
    for crop, error in error_hu(saved, load_crops(UNSEEN_SEEDS, arguments.threads)).items():
        print(f"{crop}: mean absolute error {error:.1f} HU on {len(UNSEEN_SEEDS)} unseen phantoms")


if __name__ == "__main__":
    main()
