"""A small autoencoder whose training steps take a fraction of a second, and smooth random scans."""

import dataclasses
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from ldm.autoencoder.config import AdversarialConfig
from ldm.autoencoder.data import GriddedScans
from ldm.autoencoder.loop import AutoencoderTraining
from ldm.autoencoder.patches import Patches
from ldm.autoencoder.recipes import demo
from ldm.config import Crop

TINY_NETWORK = dataclasses.replace(demo().autoencoder, channels=(8, 16, 32), norm_groups=2)
ADVERSARIAL = AdversarialConfig(
    weight=0.1, start_step=3, learning_rate=1e-3, n_updates=2, channels=4, n_layers=2
)


def tiny_config(**fields):
    """Return the demo's configuration with a tiny network and 10 steps. ``fields`` replace some."""
    return dataclasses.replace(
        demo(),
        **{
            "autoencoder": TINY_NETWORK,
            "grid_voxels": (16, 16, 16),
            "patch_voxels": (16, 16, 12),
            "batch_size": 2,
            "n_steps": 10,
            "report_every_steps": 1,
            "evaluate_every_steps": 5,
            "checkpoint_every_steps": 5,
            **fields,
        },
    )


def hu(seed, shape=(16, 16, 16)):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2)
    return np.rint(noise / noise.std() * 300).astype(np.int16)


def tiny_scans(folder, n=4):
    """Write n scans for each of two crops. The last of each crop is held out."""
    paths: dict[Crop, list[Path]] = {}
    for crop in (Crop.FULL_BODY, Crop.PANCREAS):
        for seed in range(n):
            path = folder / crop / f"scan_{seed}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, hu(seed + 100 * (crop is Crop.PANCREAS)))
            paths.setdefault(crop, []).append(path)
    return GriddedScans(
        training={crop: tuple(of_crop[:-1]) for crop, of_crop in paths.items()},
        validation={crop: tuple(of_crop[-1:]) for crop, of_crop in paths.items()},
        exclusions=(),
    )


def tiny_training(scans, config=None):
    """Return a training with one thread, so that its results are the same to the bit everywhere."""
    torch.set_num_threads(1)
    config = config or tiny_config()
    return AutoencoderTraining(
        config, patches=Patches(scans, config), perceptual=None, device=torch.device("cpu")
    )


def run_steps(training, n):
    """Return the reports of the next n steps."""
    return list(islice(training.reports(), n))
