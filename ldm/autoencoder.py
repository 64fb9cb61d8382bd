"""The frozen autoencoder: MONAI's AutoencoderKL, its weights, encoding and decoding."""

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ldm.config import AutoencoderConfig
from ldm.errors import InputError
from ldm.networks import AutoencoderKL

# What damaged and hostile files make safetensors and torch raise.
READ_ERRORS = (
    SafetensorError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """What an encoder says of a batch: mean and standard deviation, each (n, channels, x, y, z)."""

    mean: Tensor
    std: Tensor


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderKL:
    """The network with fresh weights, as the MONAI bundle sets it up: no attention."""
    n_levels = len(config.channels)
    network = AutoencoderKL(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        latent_channels=config.latent_channels,
        channels=config.channels,
        num_res_blocks=config.n_res_blocks,
        norm_num_groups=config.norm_groups,
        norm_eps=1e-6,
        attention_levels=(False,) * n_levels,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
        include_fc=False,
        use_convtranspose=config.transposed_upsampling,
    )
    return network


def load_autoencoder(config: AutoencoderConfig, path: Path, device: torch.device) -> AutoencoderKL:
    """The frozen network with the weights of a file; raises InputError naming what differs."""
    network = build_autoencoder(config)
    state = {name: value.float() for name, value in _read_state(path).items()}
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if expected != found:
        differing = sorted(
            name for name in expected.keys() | found if expected.get(name) != found.get(name)
        )
        raise InputError(
            f"{path} does not fit this recipe's autoencoder, {len(differing)} of {len(expected)} "
            f"weights differ, first {differing[0]}: expected {expected.get(differing[0])}, "
            f"found {found.get(differing[0])}. Use the file that belongs to the recipe"
        )
    network.load_state_dict(state)
    return network.eval().requires_grad_(False).to(device)


def _read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a torch file, never executing what is in it."""
    if not path.is_file():
        raise InputError(f"the autoencoder's weights must be a file, {path} is not there")
    try:
        if path.suffix == ".safetensors":
            state: dict[str, Tensor] = load_file(path)
            return state
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # its text advises to load the file unsafely
        raise InputError(
            f"{path} holds more than weights and was not loaded, for it could run code: use a "
            "file of weights alone (a state dict, or safetensors)"
        ) from error
    except READ_ERRORS as error:
        raise InputError(f"{path} cannot be read as weights ({error}): fetch it again") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path} must hold a flat mapping of names to tensors")
    return state


@torch.no_grad()
def encode(network: AutoencoderKL, images: Tensor) -> Posterior:
    """Images (n, 1, x, y, z) in [0, 1], one scan at a time in memory."""
    parts = [network.encode(image[None]) for image in images]
    means, stds = zip(*parts, strict=True)
    return Posterior(mean=torch.cat(means).float(), std=torch.cat(stds).float())


@torch.no_grad()
def decode(network: AutoencoderKL, latents: Tensor) -> Tensor:
    """Latents (n, channels, x, y, z) to images (n, 1, x, y, z) in [0, 1], one at a time."""
    images = [network.decode(latent[None]).clamp(0, 1) for latent in latents]
    return torch.cat(images).float()
