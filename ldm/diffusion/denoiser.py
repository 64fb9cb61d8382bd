"""The denoiser: MONAI's diffusion U-Net."""

from typing import Any

import torch
from torch import nn

from ldm.diffusion.convolution import use_fast_convolutions
from ldm.diffusion.normalization import use_fast_normalization
from ldm.network_config import DenoiserConfig
from ldm.networks import DiffusionModelUNet


def denoiser_arguments(config: DenoiserConfig, latent_channels: int) -> dict[str, Any]:
    """Return the arguments for MONAI's DiffusionModelUNet."""
    return {
        "spatial_dims": 3,
        "in_channels": latent_channels,
        "out_channels": latent_channels,
        "channels": config.channels,
        "attention_levels": config.attention_levels,
        "num_head_channels": config.head_channels,
        "num_res_blocks": config.n_res_blocks,
        "norm_num_groups": config.norm_groups,
        "norm_eps": 1e-6,
        "include_fc": False,
        "use_combined_linear": False,
        "use_flash_attention": True,  # needs no memory for the matrix of all attention weights
    }


def build_denoiser(config: DenoiserConfig, latent_channels: int) -> nn.Module:
    """Build a denoiser with random weights.

    It is called with noisy latents (n, channels, x, y, z) and times (n,) in the range 0 to 1000.
    """
    network: nn.Module = DiffusionModelUNet(**denoiser_arguments(config, latent_channels))
    use_fast_convolutions(network)
    use_fast_normalization(network)
    return network


def count_parameters(config: DenoiserConfig, latent_channels: int) -> int:
    """Return the number of parameters of the denoiser, without allocating them."""
    with torch.device("meta"):
        network = DiffusionModelUNet(**denoiser_arguments(config, latent_channels))
    return sum(values.numel() for values in network.parameters())
