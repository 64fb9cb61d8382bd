"""The autoencoder: MONAI's AutoencoderKL, its weights, encoding and decoding."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldm.files.weights_file import load_weights
from ldm.network_config import AutoencoderConfig
from ldm.networks import AutoencoderKL


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Mean and standard deviation of encoded images, each of shape (n, channels, x, y, z)."""

    mean: Tensor
    std: Tensor


def autoencoder_arguments(config: AutoencoderConfig) -> dict[str, Any]:
    """Return the arguments for MONAI's AutoencoderKL.

    As in the MONAI bundle, the network has no attention.
    """
    return {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 1,
        "latent_channels": config.latent_channels,
        "channels": config.channels,
        "num_res_blocks": config.n_res_blocks,
        "norm_num_groups": config.norm_groups,
        "norm_eps": 1e-6,
        "attention_levels": (False,) * len(config.channels),
        "with_encoder_nonlocal_attn": False,
        "with_decoder_nonlocal_attn": False,
        "include_fc": False,
        "use_convtranspose": config.transposed_upsampling,
    }


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderKL:
    """Build an autoencoder with random weights."""
    return AutoencoderKL(**autoencoder_arguments(config))


def load_autoencoder(config: AutoencoderConfig, path: Path, device: torch.device) -> AutoencoderKL:
    """Load an autoencoder from a weights file and freeze it.

    Raises ``InputError`` if the file does not fit the configuration; the message names the
    differences.
    """
    network = build_autoencoder(config)
    load_weights(network, path)
    return network.eval().requires_grad_(False).to(device)


@torch.no_grad()
def encode(network: AutoencoderKL, images: Tensor) -> Posterior:
    """Encode images (n, 1, x, y, z) in [0, 1].

    Images are encoded one at a time to save memory.
    """
    parts = [network.encode(image[None]) for image in images]
    means, stds = zip(*parts, strict=True)
    return Posterior(mean=torch.cat(means).float(), std=torch.cat(stds).float())


@torch.no_grad()
def decode(network: AutoencoderKL, latents: Tensor) -> Tensor:
    """Decode latents (n, channels, x, y, z) to images (n, 1, x, y, z) in [0, 1].

    Latents are decoded one at a time to save memory.
    """
    images = [network.decode(latent[None]).clamp(0, 1) for latent in latents]
    return torch.cat(images).float()
