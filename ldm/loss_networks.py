"""MONAI's losses, discriminator and metrics: for processes that train an autoencoder.

Only this file, ``ldm.networks`` and ``ldm.private_monai`` import MONAI.
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
    """MONAI's PerceptualLoss as the bundle sets it up: torchvision's ResNet-50 on a fifth of the
    slices along each axis; its weights are random. Nothing is downloaded.
    """
    return perceptual_losses().PerceptualLoss(
        spatial_dims=3,
        network_type="resnet50",
        is_fake_3d=True,
        fake_3d_ratio=0.2,
        pretrained=False,
    )


def build_medicalnet(depth: int) -> Any:
    """MONAI's 3D ResNet of depth 10, 18, 34 or 50 as MedicalNet has it, up to its 512 (2048 at
    depth 50) pooled features of one channel; its weights are random. Nothing is downloaded."""
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
