"""Check that training in bfloat16 on stored latents gives the same loss as float32 on images.

    python benchmarks/loss_parity.py                   # demo size, 304 steps, about 10 minutes
    python benchmarks/loss_parity.py --quick           # 64 steps

The reference encodes the images of each batch in every step and computes in float32. Both trainings
use the same random numbers. The mean loss over the last quarter of the epochs is compared. On CPUs
without native bfloat16, torch emulates it with the same rounding, but slowly.
"""

import argparse
import dataclasses
import math
from statistics import mean

import torch
from rows import print_row, row
from safetensors.torch import load_file
from torch import Tensor, nn

from ldm.autoencoder.model import Posterior, build_autoencoder, encode
from ldm.config import Crop, TrialConfig
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.denoiser import build_denoiser
from ldm.diffusion.objective import cumulative_alphas, denoising_loss, draw_times
from ldm.diffusion.schedule import denoiser_learning_rate
from ldm.diffusion.train import Training
from ldm.execution import Execution
from ldm.recipes import PHANTOM_AUTOENCODER, demo

N_SCANS = 16
WITHIN = 0.02


def smooth_images(config: TrialConfig) -> Tensor:
    """Return images of smooth random blobs, shape (n, 1, x, y, z), values in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(N_SCANS, 1, 6, 6, 4, generator=generator)
    size = config.image.grid_voxels
    return nn.functional.interpolate(coarse, size=size, mode="trilinear", align_corners=False)


def channel_whitening(mean: Tensor) -> WhiteningStatistics:
    """Return the channel whitening statistics of posterior means (n, channels, x, y, z)."""
    values = mean.transpose(0, 1).flatten(1)
    return WhiteningStatistics(
        mean=tuple(values.mean(1).tolist()), std=tuple(values.std(1).tolist())
    )


def reference_losses(
    config: TrialConfig,
    network: nn.Module,
    images: Tensor,
    whitening: WhiteningStatistics,
    n_epochs: int,
) -> list[float]:
    """Train in float32 on images and return the mean loss of each epoch."""
    plan, generator = config.training, torch.Generator().manual_seed(config.training.seed)
    torch.manual_seed(plan.seed)
    denoiser = build_denoiser(config.denoiser, config.latent_shape[0])
    optimizer = torch.optim.Adam(denoiser.parameters(), plan.schedule.learning_rate)
    losses: list[float] = []
    for epoch in range(n_epochs):
        for batch in torch.split(torch.randperm(N_SCANS, generator=generator), plan.batch_size):
            rate = denoiser_learning_rate(plan.schedule, epoch=epoch, step=len(losses))
            optimizer.param_groups[0]["lr"] = rate
            posterior = encode(network, images[batch])
            noise_of_latents = torch.randn(posterior.mean.shape, generator=generator)
            noise = torch.randn(posterior.mean.shape, generator=generator)
            loss = denoising_loss(
                denoiser,
                whitening.whiten(posterior.mean + posterior.std * noise_of_latents),
                noise=noise,
                times=draw_times(plan.objective, len(batch), generator),
                objective=plan.objective,
                alphas=cumulative_alphas(),
            ).loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(denoiser.parameters(), plan.gradient_clip_norm or math.inf)
            optimizer.step()
            losses.append(loss.item())
    return torch.tensor(losses).view(n_epochs, -1).mean(1).tolist()


def our_losses(
    config: TrialConfig, posterior: Posterior, whitening: WhiteningStatistics, n_epochs: int
) -> list[float]:
    """Train in bfloat16 on latents stored in half precision and return the loss of each epoch."""
    training = Training(
        config,
        mean=posterior.mean.half(),
        std=posterior.std.half(),
        whitening=whitening,
        device=torch.device("cpu"),
        execution=Execution(is_bfloat16=True),
    )
    reports = training.epochs()
    return [next(reports).loss for _ in range(n_epochs)]


def main() -> None:
    """Print one row for the loss and one for its relative difference from the reference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--steps", type=int, default=304, help="a multiple of 8, the steps of an epoch"
    )
    parser.add_argument("--quick", action="store_true", help="64 steps")
    arguments = parser.parse_args()
    n = 64 if arguments.quick else arguments.steps
    config = demo(Crop.PANCREAS)
    training = dataclasses.replace(config.training, epochs=n)
    config = dataclasses.replace(config, training=training)
    network = build_autoencoder(config.autoencoder).eval().requires_grad_(False)
    network.load_state_dict({k: v.float() for k, v in load_file(PHANTOM_AUTOENCODER).items()})
    images = smooth_images(config)
    posterior = encode(network, images)
    whitening = channel_whitening(posterior.mean)
    n_epochs = n * config.training.batch_size // N_SCANS
    reference = reference_losses(config, network, images, whitening, n_epochs)
    ours = our_losses(config, posterior, whitening, n_epochs)
    last, last_reference = (mean(each[-max(1, n_epochs // 4) :]) for each in (ours, reference))
    difference = abs(last / last_reference - 1)
    print_row(row(f"loss_parity.{n}_steps.loss", last, unit="loss", baseline=last_reference))
    print_row(row(f"loss_parity.{n}_steps.difference", difference, unit="share", at_most=WITHIN))


if __name__ == "__main__":
    main()
