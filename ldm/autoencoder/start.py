"""Initialize an autoencoder as a principal component analysis (PCA).

Each downsampling keeps the leading principal components of blocks of 2 x 2 x 2 voxels, and each
upsampling reverses this. Residual branches start at zero. Training then only needs to learn what
the linear PCA cannot represent. From random weights, thousands of steps are needed to become as
good as this initialization.
"""

import math

import torch
from torch import Tensor, nn

from ldm.networks import AEKLDownsample, AEKLResBlock, AutoencoderKL

CONSTANT = 4.0  # large compared with the signal, which lies in [-1, 1]
POSTERIOR_STD = 0.02  # compared with 1, the standard deviation of the latents


@torch.no_grad()
def start_from_components(network: AutoencoderKL, images: Tensor) -> None:
    """Set the weights of a network to a PCA of images (n, 1, x, y, z) in [0, 1].

    The latents of these images then have unit variance. The PCA uses the first channels of each
    layer. The other channels keep their random weights, as features for the residual branches.

    The network must upsample by transposed convolution. Raises ``ValueError`` if the groups of its
    last normalizations are too small (see ``_undo_normalization``).
    """
    center = float(images.mean())
    bases, signal = _start_encoder(network, images - center)
    std = signal.transpose(0, 1).flatten(1).std(1)
    *_, before, norm, last = network.encoder.blocks
    _undo_normalization(before, norm, last.conv, torch.diag(1 / std))
    network.encoder.blocks[0].conv.bias[0] = -center
    identity = torch.eye(network.latent_channels)
    _set_matrix(network.quant_conv_mu.conv, identity)
    _set_matrix(network.quant_conv_log_sigma.conv, 0 * identity)
    network.quant_conv_log_sigma.conv.bias.fill_(2 * math.log(POSTERIOR_STD))
    _set_matrix(network.post_quant_conv.conv, identity)
    _start_decoder(network, bases, std)
    network.decoder.blocks[-1].conv.bias += center


def _start_encoder(network: AutoencoderKL, signal: Tensor) -> tuple[list[Tensor], Tensor]:
    """Set the encoder's weights, except its last layers.

    Returns the basis of each downsampling, (8 * input channels, output channels), and the signal
    after the last one.
    """
    first, *blocks = network.encoder.blocks[:-2]
    _set_matrix(first.conv, torch.eye(1))
    bases: list[Tensor] = []
    n_downsamplings = sum(isinstance(block, AEKLDownsample) for block in blocks)
    for block in blocks:
        if isinstance(block, AEKLResBlock):
            _silence(block, signal.shape[1])
            continue
        parts = _space_to_channels(signal)
        is_last = len(bases) + 1 == n_downsamplings
        basis = _principal_components(parts, network.latent_channels if is_last else None)
        # An average of 8 voxels instead of a sum keeps the signal in the same range.
        bases.append(basis / 8**0.5)
        signal = torch.einsum("nc...,ck->nk...", parts, bases[-1])
        _set_downsampling(block.conv.conv, bases[-1])
    return bases, signal


def _start_decoder(network: AutoencoderKL, bases: list[Tensor], std: Tensor) -> None:
    first, *blocks, norm, last = network.decoder.blocks
    _set_matrix(first.conv, torch.diag(std))
    n_signal, remaining = len(std), list(bases)
    for block in blocks:
        if isinstance(block, AEKLResBlock):
            _silence(block, n_signal)
        else:
            basis = remaining.pop() * 8  # the inverse, as the basis is orthonormal over sqrt(8)
            n_signal = basis.shape[0] // 8
            _set_upsampling(block.deconv, basis)
    _undo_normalization(blocks[-1], norm, last.conv, torch.eye(1))


def _space_to_channels(images: Tensor) -> Tensor:
    """Turn blocks of 2 x 2 x 2 voxels into channels: (n, c, 2x, 2y, 2z) to (n, 8c, x, y, z).

    The new channels are ordered by old channel, then by position in the block.
    """
    n, c, x, y, z = images.shape
    parts = images.reshape(n, c, x // 2, 2, y // 2, 2, z // 2, 2)
    return parts.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, 8 * c, x // 2, y // 2, z // 2)


def _principal_components(images: Tensor, n_components: int | None) -> Tensor:
    """Return the leading eigenvectors of the second moments of the channels.

    The shape is (channels, n_components); None returns all components.
    """
    values = images.transpose(0, 1).flatten(1).double()
    vectors = torch.linalg.eigh(values @ values.T / values.shape[1]).eigenvectors
    kept: Tensor = vectors.flip(1)[:, :n_components].float()
    return kept


def _set_matrix(convolution: nn.Conv3d, matrix: Tensor) -> None:
    """Make a convolution multiply the first input channels by ``matrix``.

    The result appears in the first output channels.
    """
    n_out, n_in = matrix.shape
    middle = convolution.weight.shape[-1] // 2
    _clear(convolution, n_out)
    convolution.weight[:n_out, :n_in, middle, middle, middle] = matrix


def _set_downsampling(convolution: nn.Conv3d, basis: Tensor) -> None:
    """Make a strided convolution compute the components of blocks of 2 x 2 x 2 voxels.

    The result appears in the first output channels.
    """
    n_in, n_out = basis.shape[0] // 8, basis.shape[1]
    _clear(convolution, n_out)
    convolution.weight[:n_out, :n_in, :2, :2, :2] = basis.T.reshape(n_out, n_in, 2, 2, 2)


def _set_upsampling(deconvolution: nn.ConvTranspose3d, basis: Tensor) -> None:
    """Make a transposed convolution restore blocks of 2 x 2 x 2 voxels from their components.

    The result appears in the first output channels.
    """
    n_out, n_in = basis.shape[0] // 8, basis.shape[1]
    deconvolution.weight[:, :n_out] = 0
    deconvolution.weight[:n_in, :n_out] = basis.T.reshape(n_in, n_out, 2, 2, 2)
    nn.init.zeros_(deconvolution.get_parameter("bias")[:n_out])


def _silence(block: AEKLResBlock, n_signal: int) -> None:
    """Make a residual block pass the signal on unchanged: its branch adds zero."""
    nn.init.zeros_(block.conv2.conv.weight)
    nn.init.zeros_(block.conv2.conv.bias)
    if not isinstance(block.nin_shortcut, nn.Identity):
        _set_matrix(block.nin_shortcut.conv, torch.eye(n_signal))


def _clear(convolution: nn.Conv3d, n_out: int) -> None:
    nn.init.zeros_(convolution.weight[:n_out])
    nn.init.zeros_(convolution.get_parameter("bias")[:n_out])


def _undo_normalization(
    before: AEKLResBlock, norm: nn.GroupNorm, convolution: nn.Conv3d, matrix: Tensor
) -> None:
    """Make the layers around a group normalization pass the signal on, multiplied by ``matrix``.

    The normalization would remove the mean and the scale of each scan. So the layer before it adds
    two large constants of opposite sign to the signal's group. They dominate the standard
    deviation, which makes the scale predictable. The mean of the two after normalization shows the
    mean that was subtracted, and ``convolution`` adds it back.
    """
    n_out, n_signal = matrix.shape
    n_group = norm.num_channels // norm.num_groups
    if n_signal + 2 > n_group:
        raise ValueError(
            f"a group of the last normalization must hold {n_signal} channels of signal and 2 "
            f"constants, it has {n_group} channels: use fewer groups"
        )
    constants = slice(n_signal, n_signal + 2)
    shortcut = before.nin_shortcut.conv
    shortcut.weight[n_signal:n_group] = 0
    shortcut.bias[n_signal:n_group] = 0
    shortcut.bias[constants] = torch.tensor([CONSTANT, -CONSTANT])
    scale = CONSTANT * (2 / n_group) ** 0.5  # standard deviation of the group
    _set_matrix(convolution, torch.zeros(n_out, convolution.in_channels))
    middle = convolution.weight.shape[-1] // 2
    weight = convolution.weight[:, :, middle, middle, middle]
    weight[:, :n_signal] = matrix * scale
    weight[:, constants] = -matrix.sum(1, keepdim=True) * scale / 2
