"""MONAI's losses, discriminator and metrics, for processes that train an autoencoder.

Only this module, ``ldm.networks`` and ``ldm.private_monai`` import MONAI.
"""

from typing import Any

from ldm.private_monai import perceptual_losses, without_optional_packages

with without_optional_packages():
    from monai.losses.adversarial_loss import PatchAdversarialLoss
    from monai.metrics.regression import MultiScaleSSIMMetric, PSNRMetric, SSIMMetric
    from monai.networks.nets.patchgan_discriminator import PatchDiscriminator
    from monai.networks.nets.resnet import (
        get_medicalnet_pretrained_resnet_args,
        resnet10,
        resnet18,
        resnet34,
        resnet50,
    )

__all__ = [
    "MultiScaleSSIMMetric",
    "PSNRMetric",
    "PatchAdversarialLoss",
    "PatchDiscriminator",
    "SSIMMetric",
    "build_medicalnet",
    "build_perceptual_loss",
]


def build_perceptual_loss() -> Any:
    """Build MONAI's PerceptualLoss with the settings of the MONAI bundle and random weights.

    The loss compares features of a ResNet-50 (torchvision's) on a fifth of the slices along each
    axis. Nothing is downloaded.
    """
    return perceptual_losses().PerceptualLoss(
        spatial_dims=3,
        network_type="resnet50",
        is_fake_3d=True,
        fake_3d_ratio=0.2,
        pretrained=False,
    )


def build_medicalnet(depth: int) -> Any:
    """Build MONAI's 3D ResNet in MedicalNet's variant, with random weights.

    ``depth`` is 10, 18, 34 or 50. The network takes images with one channel and returns 512 pooled
    features, or 2048 for depth 50. Nothing is downloaded.
    """
    bias_downsample, shortcut_type = get_medicalnet_pretrained_resnet_args(depth)
    build = {10: resnet10, 18: resnet18, 34: resnet34, 50: resnet50}[depth]
    return build(
        pretrained=False,
        spatial_dims=3,
        n_input_channels=1,
        feed_forward=False,
        shortcut_type=shortcut_type,
        bias_downsample=bias_downsample,
    )
