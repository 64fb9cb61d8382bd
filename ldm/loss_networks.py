"""MONAI's losses, discriminator and metrics: for processes that train an autoencoder.

The second and last place that imports MONAI, and as ``ldm.networks`` does it.
"""

import importlib
from typing import Any

from ldm.networks import without_optional_packages

with without_optional_packages():
    import monai.losses.perceptual
    from monai.losses.adversarial_loss import PatchAdversarialLoss
    from monai.metrics.regression import PSNRMetric, SSIMMetric
    from monai.networks.nets.patchgan_discriminator import PatchDiscriminator

__all__ = [
    "PSNRMetric",
    "PatchAdversarialLoss",
    "PatchDiscriminator",
    "SSIMMetric",
    "build_perceptual_loss",
]


def build_perceptual_loss() -> Any:
    """MONAI's PerceptualLoss as the bundle sets it up: torchvision's ResNet-50 on a fifth of the
    slices along each axis; its weights are random. Nothing is downloaded.

    Its module is imported once more, for torchvision was hidden from it the first time; and it
    uses a part of torchvision that it does not import.
    """
    importlib.import_module("torchvision.models.feature_extraction")
    module = importlib.reload(monai.losses.perceptual)
    return module.PerceptualLoss(
        spatial_dims=3,
        network_type="resnet50",
        is_fake_3d=True,
        fake_3d_ratio=0.2,
        pretrained=False,
    )
