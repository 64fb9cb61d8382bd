"""MONAI's networks and noise schedules, imported without MONAI's optional packages."""

from ldm.private_monai import without_optional_packages

with without_optional_packages():
    from monai.networks.nets import AutoencoderKL, DiffusionModelUNet
    from monai.networks.nets.autoencoderkl import AEKLDownsample, AEKLResBlock
    from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

__all__ = [
    "AEKLDownsample",
    "AEKLResBlock",
    "AutoencoderKL",
    "DDIMScheduler",
    "DDPMScheduler",
    "DiffusionModelUNet",
]
