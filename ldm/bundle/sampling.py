"""Sample from the model in this bundle: from noise to latents, to HU, to NIfTI files.

``configs/inference.json`` calls these functions. They need torch, numpy and nibabel, but not
pancreatune, which trained the model and copied this file here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from torch import Tensor, nn

N_NOISE_STEPS = 1000
Predict = Callable[[Tensor, Tensor], Tensor]
Generators = Sequence[torch.Generator]
Integrate = Callable[[Predict, Tensor, Generators], Tensor]


def euler(predict: Predict, latents: Tensor, _: Generators, *, n_steps: int) -> Tensor:
    """Integrate a rectified flow in equal Euler steps from noise (t = 1) to data (t = 0).

    In each step, the network receives 1000 t of the step's start and predicts noise minus data. The
    third argument, the random generators, is not used, since the method adds no noise; it lets all
    methods be called alike. (MONAI's RFlowScheduler is not used: it predicts data minus noise and
    rounds t to half precision.)
    """
    times = torch.linspace(1, 0, n_steps + 1)
    for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        at = torch.full((len(latents),), now * N_NOISE_STEPS)
        latents = latents + (then - now) * predict(latents, at)
    return latents


def denoise(
    predict: Predict, latents: Tensor, generators: Generators, *, n_steps: int, scheduler: Any
) -> Tensor:
    """Denoise with MONAI's DDIM or DDPM scheduler.

    Noise that a step adds comes from the sample's own generator, so that a sample does not depend
    on the others of its batch.
    """
    scheduler.set_timesteps(n_steps)
    for step in scheduler.timesteps.tolist():
        predicted = predict(latents, torch.full((len(latents),), step))
        parts = (torch.split(each, 1) for each in (predicted, latents))
        samples = zip(*parts, generators, strict=True)
        latents = torch.cat([scheduler.step(p, step, z, generator=g)[0] for p, z, g in samples])
    return latents


@torch.no_grad()
def sample_latents(
    network: nn.Module,
    integrate: Integrate,
    *,
    latent_shape: Sequence[int],
    n_samples: int,
    seed: int,
    batch_size: int,
    device: torch.device | str,
) -> Tensor:
    """Return whitened latents of shape (n, channels, x, y, z) on the CPU.

    Sample number i depends only on ``seed`` and on i.
    """

    def predict(latents: Tensor, at: Tensor) -> Tensor:
        predicted: Tensor = network(latents.to(device), at.to(device))
        return predicted.float().cpu()

    batches = []
    for first in range(0, n_samples, batch_size):
        samples = range(first, min(first + batch_size, n_samples))
        generators = [torch.Generator().manual_seed(seed * 100_003 + index) for index in samples]
        noise = torch.stack([torch.randn(*latent_shape, generator=own) for own in generators])
        batches.append(integrate(predict, noise, generators))
    return torch.cat(batches)


@torch.no_grad()
def decode_to_hu(
    autoencoder: Any,
    latents: Tensor,
    *,
    whitening: dict[str, Sequence[float]],
    window_hu: Sequence[float],
    device: torch.device | str,
) -> Tensor:
    """Decode whitened latents one at a time. Returns HU of shape (n, x, y, z).

    The whitening is undone first. The decoder's output from 0 to 1 is mapped to ``window_hu``.
    """
    low, high = window_hu
    mean, std = (torch.tensor(whitening[key]).view(-1, 1, 1, 1) for key in ("mean", "std"))
    decoded = [autoencoder.decode((z * std + mean)[None].to(device)) for z in latents]
    return torch.cat(decoded)[:, 0].clamp(0, 1).float().cpu() * (high - low) + low


def write_samples(
    hu: Tensor, *, affine: Sequence[Sequence[float]], output_dir: str | Path
) -> list[Path]:
    """Write each sample to a NIfTI file with whole HU. Returns the paths.

    ``affine`` maps voxel indices to mm in RAS+.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"sample_{index:02d}.nii.gz" for index in range(len(hu))]
    for path, sample in zip(paths, hu.numpy(), strict=True):
        image = nib.Nifti1Image(np.rint(sample).astype(np.int16), np.array(affine))
        image.header.set_xyzt_units("mm")
        nib.save(image, path)
        print(path, flush=True)
    return paths
