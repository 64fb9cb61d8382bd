"""The parts of an autoencoder's loss, one function a part, and the learning rate by step."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ldm.autoencoder.config import AdversarialConfig, AutoencoderTrainingConfig, RateSchedule
from ldm.files.weights_file import load_weights
from ldm.loss_networks import (
    PatchAdversarialLoss,
    PatchDiscriminator,
    build_perceptual_loss,
)

RISE = 0.3  # share of the steps over which one cycle's rate rises
FIRST_DIVISOR, LAST_DIVISOR = 25.0, 25.0 * 1e4
CLASSIFIER = ("fc.weight", "fc.bias")  # of a ResNet, behind the features that are compared


def absolute_error(decoded: Tensor, images: Tensor) -> Tensor:
    """Mean absolute difference of images (n, 1, x, y, z): L1."""
    return functional.l1_loss(decoded.float(), images)


def kl_divergence(mean: Tensor, std: Tensor) -> Tensor:
    """KL of N(mean, std) from N(0, 1), summed over a latent, mean over the batch.

    -1/2 sum(1 + log std^2 - mean^2 - std^2): Kingma 2014, appendix B.
    """
    mean, variance = mean.float(), std.float() ** 2
    terms = 0.5 * (mean**2 + variance - variance.log() - 1)
    return terms.flatten(1).sum(1).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """What the autoencoder pays where the discriminator tells decoded from real.

    Least squares, (D(decoded) - 1)^2: Mao 2017, eq. 9; LeakyReLU in front, as MONAI's has it.
    """
    loss: Tensor = PatchAdversarialLoss(criterion="least_squares")(
        fake_logits.float(), target_is_real=True, for_discriminator=False
    )
    return loss


def discriminator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """Half of D(decoded)^2 + (D(real) - 1)^2: Mao 2017, eq. 9."""
    adversarial = PatchAdversarialLoss(criterion="least_squares")
    fake = adversarial(fake_logits.float(), target_is_real=False, for_discriminator=True)
    real = adversarial(real_logits.float(), target_is_real=True, for_discriminator=True)
    loss: Tensor = (fake + real) / 2
    return loss


def build_discriminator(config: AdversarialConfig) -> nn.Module:
    """MONAI's PatchDiscriminator as in the MONAI bundle; its last output are the logits."""
    network: nn.Module = PatchDiscriminator(
        spatial_dims=3,
        channels=config.channels,
        in_channels=1,
        out_channels=1,
        num_layers_d=config.n_layers,
        norm="INSTANCE",
    )
    return network


def load_perceptual_loss(path: Path, device: torch.device) -> nn.Module:
    """MONAI's PerceptualLoss with the ResNet-50 of a local file (torchvision's names).

    Raises InputError when the file is missing or is of another network; it is never executed.
    """
    loss: nn.Module = build_perceptual_loss()
    features = loss.get_submodule("perceptual_function.model")
    load_weights(features, path, unused=CLASSIFIER)
    return loss.eval().requires_grad_(False).to(device)


def perceptual_loss(network: nn.Module, decoded: Tensor, images: Tensor, seed: int) -> Tensor:
    """Distance of deep features of slices; ``seed`` decides which, and is all that is random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loss: Tensor = network(decoded.float(), images)
    return loss


def autoencoder_learning_rate(config: AutoencoderTrainingConfig, step: int) -> float:
    """The rate of one step, counted from 0.

    One cycle: half a cosine from a 25th up to the rate over 0.3 of the steps, another down to
    nothing (Smith 2018, as torch's OneCycleLR anneals).
    """
    peak = config.learning_rate
    if config.rate_schedule is RateSchedule.CONSTANT:
        return peak
    top, last = RISE * config.n_steps - 1, config.n_steps - 1
    if step <= top:
        return _half_cosine(peak / FIRST_DIVISOR, peak, step / top if top > 0 else 1.0)
    return _half_cosine(peak, peak / LAST_DIVISOR, (step - top) / (last - top))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
