"""The parts of an autoencoder's loss, and its learning rate schedule."""

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

RISE = 0.3  # share of the steps in which the rate of the one-cycle schedule rises
FIRST_DIVISOR, LAST_DIVISOR = 25.0, 25.0 * 1e4
CLASSIFIER = ("fc.weight", "fc.bias")  # a ResNet's last layer, which the loss does not use


def absolute_error(decoded: Tensor, images: Tensor) -> Tensor:
    """Return the mean absolute difference (L1) of two batches of images (n, 1, x, y, z)."""
    return functional.l1_loss(decoded.float(), images)


def kl_divergence(mean: Tensor, std: Tensor) -> Tensor:
    """Return the KL divergence of N(mean, std) from N(0, 1).

    It is summed over the elements of each latent and averaged over the batch. The equation is -1/2
    sum(1 + log std^2 - mean^2 - std^2) (Kingma 2014, appendix B).
    """
    mean, variance = mean.float(), std.float() ** 2
    terms = 0.5 * (mean**2 + variance - variance.log() - 1)
    return terms.flatten(1).sum(1).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Return the adversarial loss of the autoencoder, given the discriminator's logits.

    The loss is (D(decoded) - 1)^2 (least squares, Mao 2017, eq. 9). As in MONAI, the logits first
    pass through a LeakyReLU.
    """
    loss: Tensor = PatchAdversarialLoss(criterion="least_squares")(
        fake_logits.float(), target_is_real=True, for_discriminator=False
    )
    return loss


def discriminator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """Return the loss of the discriminator: half of D(decoded)^2 + (D(real) - 1)^2.

    This is the least-squares loss of Mao 2017, eq. 9. As in MONAI, the logits first pass through a
    LeakyReLU.
    """
    adversarial = PatchAdversarialLoss(criterion="least_squares")
    fake = adversarial(fake_logits.float(), target_is_real=False, for_discriminator=True)
    real = adversarial(real_logits.float(), target_is_real=True, for_discriminator=True)
    loss: Tensor = (fake + real) / 2
    return loss


def build_discriminator(config: AdversarialConfig) -> nn.Module:
    """Build MONAI's PatchDiscriminator with the settings of the MONAI bundle.

    The network returns the outputs of all layers; the last output holds the logits.
    """
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
    """Build MONAI's PerceptualLoss with the weights of a ResNet-50 in a local file.

    The file has the layout of torchvision's ResNet-50 files. Raises ``InputError`` if it is missing
    or holds another network. The file is parsed without executing any code in it.
    """
    loss: nn.Module = build_perceptual_loss()
    features = loss.get_submodule("perceptual_function.model")
    load_weights(features, path, unused=CLASSIFIER)
    return loss.eval().requires_grad_(False).to(device)


def perceptual_loss(network: nn.Module, decoded: Tensor, images: Tensor, seed: int) -> Tensor:
    """Return the distance between deep features of slices of the decoded and the original images.

    ``seed`` selects the slices, which are the only random choice. The global random state is not
    changed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loss: Tensor = network(decoded.float(), images)
    return loss


def autoencoder_learning_rate(config: AutoencoderTrainingConfig, step: int) -> float:
    """Return the learning rate of a step, counted from 0.

    The constant schedule always returns the configured rate, which is the peak of the one-cycle
    schedule. The latter rises along half a cosine from a 25th of the peak to the peak during the
    first 30 % of the steps. It then falls along half a cosine to 1/250000 of the peak (Smith 2018;
    equal to PyTorch's OneCycleLR).
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
