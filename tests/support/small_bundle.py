"""Write a trial with a tiny network to disk, and export it."""

import dataclasses
import json
import shlex

import numpy as np
import torch
from torch import nn
from typer.testing import CliRunner

from ldm.config import SamplingConfig, SamplingMethod, Whitening
from ldm.data.geometry.volume import Volume, write_volume
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.checkpoint import Sampler, save_sampler
from ldm.diffusion.denoiser import build_denoiser
from ldm.diffusion.sample import sample_latents
from pancreatune.program import app
from tests.support.small_training import WHITENING, tiny_config

CPU = torch.device("cpu")
GRID_VOXELS = (32, 16, 48)
AFFINE = np.diag([2.0, 2.5, 3.0, 1.0])
AFFINE[:3, 3] = (-31.0, -18.75, -70.5)


def tiny_trial(objective, whitening=Whitening.CHANNEL, method=SamplingMethod.AUTO):
    """Return the configuration of a trial with a tiny network and two samples of a few steps."""
    config = tiny_config(objective=objective, whitening=whitening)
    n_steps = 1000 if method is SamplingMethod.DDPM else 3
    return dataclasses.replace(
        config,
        image=dataclasses.replace(config.image, grid_voxels=GRID_VOXELS),
        sampling=SamplingConfig(n_samples=2, n_steps=n_steps, method=method, seed=7),
    )


def lively_network(config, seed=1):
    """Return a network whose output depends on all weights. A new network would predict 0."""
    network = build_denoiser(config.denoiser, config.latent_shape[0])
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.1, generator=generator)
    return network.eval()


def ours(network, config):
    """Return the whitened latents that an evaluation samples."""
    return sample_latents(
        network,
        shape=config.latent_shape,
        objective=config.training.objective,
        sampling=config.sampling,
        device=CPU,
    )


def whitening_of(latents, kind):
    """Return whitening statistics that make latents decode to HU inside the window."""
    mean, std = {
        Whitening.CHANNEL: ((0.43, 0.03, 0.06, 0.07), (0.29, 0.23, 0.44, 0.52)),
        Whitening.SCALAR: ((0.0,) * 4, (0.4,) * 4),
    }[kind]
    return WhiteningStatistics(mean=mean, std=tuple(s / float(latents.std()) for s in std))


def write_trial(folder, config, network, whitening=WHITENING):
    """Write a trial's folder with one evaluated epoch."""
    weights = dict(network.state_dict())
    epoch = folder / "epoch_0004"
    save_sampler(epoch, Sampler(config=config, whitening=whitening, epoch=4, weights=weights))
    empty = np.zeros(config.image.grid_voxels, np.float32)
    write_volume(epoch / "samples" / "sample_00.nii.gz", Volume(array=empty, affine=AFFINE))


def export(run, to, *options):
    done = CliRunner().invoke(app, ["export", str(run), "--to", str(to), *map(str, options)])
    return done.exit_code, " ".join(done.output.split())


def read_json(bundle, name):
    return json.loads((bundle / "configs" / name).read_text())


def commands(bundle):
    """Return the commands in the model card, to install packages and to sample."""
    lines = (bundle / "docs" / "README.md").read_text().splitlines()
    return [line for line in lines if line.startswith("python -m ")]


def installed_packages(bundle):
    """Return what the first command of the model card installs, as "monai>=1.5"."""
    return shlex.split(commands(bundle)[0].removeprefix("python -m pip install "))
