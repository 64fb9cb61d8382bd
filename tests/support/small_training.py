"""The demo with a tiny network, which trains an epoch in a fraction of a second."""

import dataclasses
from itertools import islice

import torch

from ldm.config import Crop
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.train import Training
from ldm.execution import PLAIN
from ldm.recipes import demo

WHITENING = WhiteningStatistics(mean=(0.5, -0.25, 0.0, 0.1), std=(1.0, 2.0, 0.5, 1.0))


def tiny_config(**training):
    """Return the demo's configuration for 4 epochs and a network with 8 to 16 channels.

    ``training`` replaces fields of the training's configuration.
    """
    config = demo(Crop.PANCREAS)
    network = dataclasses.replace(
        config.denoiser, channels=(8, 16, 16), head_channels=(0, 0, 8), norm_groups=4
    )
    training = dataclasses.replace(config.training, **{"epochs": 4, "batch_size": 4, **training})
    return dataclasses.replace(config, denoiser=network, training=training)


def random_latents(n=6):
    return torch.randn(n, 4, 12, 12, 8, generator=torch.Generator().manual_seed(0))


def tiny_training(config=None, mean=None, execution=PLAIN):
    """Return a training with one thread, so that its results are the same to the bit everywhere."""
    torch.set_num_threads(1)
    mean = random_latents() if mean is None else mean
    return Training(
        config or tiny_config(),
        mean=mean,
        std=torch.full_like(mean, 0.1),
        whitening=WHITENING,
        device=torch.device("cpu"),
        execution=execution,
    )


def run_epochs(training, n):
    """Return the reports of the next n epochs."""
    return list(islice(training.epochs(), n))
