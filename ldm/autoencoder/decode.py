"""Decode latents slab by slab, in bounded memory.

The result equals that of ``ldm.autoencoder.model.decode`` up to rounding. Two rules make this
exact:

- A convolution processes slabs along x. Each slab includes one row of each neighbor, its halo.
- A group normalization first computes its statistics over the whole feature map, and then
  normalizes slab by slab.

So only one slab at a time needs temporary memory in addition to the feature map. A residual block
writes its results over its input, which needs only one buffer per resolution level: the first
channels of the buffer hold the feature map, the others are free to be overwritten.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from ldm.errors import InputError
from ldm.networks import AEKLResBlock, AutoencoderKL

SLAB_VOXELS = 2**16
Prepare = Callable[[Tensor], Tensor]
Step = Callable[[Tensor, int], Tensor]


@torch.no_grad()
def decode_in_slabs(
    network: AutoencoderKL, latents: Tensor, *, slab_voxels: int = SLAB_VOXELS
) -> Tensor:
    """Decode latents (n, channels, x, y, z) to images (n, 1, x, y, z) in [0, 1], slab by slab.

    A slab has up to ``slab_voxels`` voxels, but at least one row along x, or two rows after an
    upsampling. For float32 on the CPU, choose slabs with channels * rows * y of 20480 or more.
    Below that, PyTorch uses a slower convolution that needs 27 times the memory of the slab.

    Raises ``InputError`` if ``slab_voxels`` is below 1 or the decoder contains an unsupported
    block.
    """
    if slab_voxels < 1:
        raise InputError("slab_voxels must be 1 or more", seen=f"got {slab_voxels}")
    steps = [_step(index, block) for index, block in enumerate(network.decoder.blocks)]
    images = []
    for latent in latents:
        buffer = network.post_quant_conv(latent[None])
        for step in steps:
            buffer = step(buffer, slab_voxels)
        images.append(buffer.clamp(0, 1))
    return torch.cat(images).float()


def whole_decode_bound_gib(network: AutoencoderKL, latent: Tensor) -> float:
    """Return a fast upper bound in GiB for the memory of decoding one latent without slabs.

    The bound is four times the widest feature map at the resolution of the image.
    """
    blocks = [b for b in network.decoder.blocks if isinstance(b, AEKLResBlock)]
    widest, n_upsamplings = max(b.in_channels for b in blocks), len(network.decoder.channels) - 1
    values = 4 * widest * latent[0].numel() * 8**n_upsamplings
    return float(values * latent.element_size() / 2**30)


def _step(index: int, block: nn.Module) -> Step:
    """Return the function that applies a decoder block slab by slab.

    The block is recognized by its type and its layers. Raises ``InputError`` if it is not
    supported.
    """
    if isinstance(block, AEKLResBlock):
        return partial(_through_residual, block)
    if isinstance(block, nn.GroupNorm) and block.affine:
        return partial(_through_norm, block)
    parts = block.modules() if isinstance(block, nn.Sequential) else ()
    match [part for part in parts if not isinstance(part, nn.Sequential)]:
        case [nn.Conv3d() as conv] if _has_geometry(conv, kernel=3, stride=1, padding=1):
            return partial(_through_convolution, conv)
        case [nn.ConvTranspose3d() as conv] if _has_geometry(conv, kernel=2, stride=2, padding=0):
            return partial(_through_transposed, conv)
        case [nn.Upsample(mode="nearest", scale_factor=(2, 2, 2)), nn.Conv3d() as conv] if (
            _has_geometry(conv, kernel=3, stride=1, padding=1)
        ):
            return partial(_through_nearest, conv)
    raise InputError(
        f"decoder block {index} is a {type(block).__name__}, which cannot be decoded in slabs",
        remedy="decode without slabs",
    )


def _has_geometry(
    conv: nn.Conv3d | nn.ConvTranspose3d, *, kernel: int, stride: int, padding: int
) -> bool:
    """Return True if a convolution has this kernel size, stride and padding along each axis.

    It must also have no dilation, no output padding, and pad with zeros.
    """
    found = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.output_padding)
    expected = tuple((n, n, n) for n in (kernel, stride, padding, 1, 0))
    return found == expected and conv.padding_mode == "zeros"


def _through_convolution(conv: nn.Conv3d, buffer: Tensor, slab_voxels: int) -> Tensor:
    values, result = buffer[:, : conv.in_channels], _empty(buffer, conv.out_channels)
    for rows, padded in _padded(values, slab_voxels):
        result[:, :, rows] = _convolve(conv, padded)
    return result


def _through_norm(norm: nn.GroupNorm, buffer: Tensor, slab_voxels: int) -> Tensor:
    values = buffer[:, : norm.num_channels]
    normalized = _normalization(norm, values, slab_voxels)
    for rows in _rows(values, slab_voxels):
        values[:, :, rows] = normalized(values[:, :, rows])
    return buffer


def _through_residual(block: AEKLResBlock, buffer: Tensor, slab_voxels: int) -> Tensor:
    values = buffer[:, : block.in_channels]
    result, inner = _places(block, buffer)
    outer = result[:, : block.out_channels]
    prepare = _activation(_normalization(block.norm1, values, slab_voxels))
    for rows, padded in _padded(values, slab_voxels, prepare):
        output = _convolve(block.conv1.conv, padded)
        outer[:, :, rows] = block.nin_shortcut(values[:, :, rows])
        inner[:, :, rows] = output
    prepare = _activation(_normalization(block.norm2, inner, slab_voxels))
    for rows, padded in _padded(inner, slab_voxels, prepare):
        outer[:, :, rows] += _convolve(block.conv2.conv, padded)
    return result


def _places(block: AEKLResBlock, buffer: Tensor) -> tuple[Tensor, Tensor]:
    """Return the buffer for a block's result, and the place of its intermediate feature map.

    Both reuse the input buffer if it has room.
    """
    n = block.out_channels
    if buffer.shape[1] >= 2 * n:
        return buffer, buffer[:, n : 2 * n]
    result = buffer if block.in_channels == n else _empty(buffer, n)
    return result, _empty(buffer, n)


def _through_transposed(conv: nn.ConvTranspose3d, buffer: Tensor, slab_voxels: int) -> Tensor:
    values, result = buffer[:, : conv.in_channels], _empty(buffer, conv.out_channels, factor=2)
    for rows in _rows(values, slab_voxels // 8):
        result[:, :, _doubled(rows)] = conv(values[:, :, rows])
    return result


def _through_nearest(conv: nn.Conv3d, buffer: Tensor, slab_voxels: int) -> Tensor:
    """Upsample by repeating each voxel twice along each axis, then convolve.

    Each row of a halo becomes two rows, of which the convolution needs only the inner one.
    """
    values, result = buffer[:, : conv.in_channels], _empty(buffer, conv.out_channels, factor=2)
    for rows, padded in _padded(values, slab_voxels // 8):
        enlarged = functional.interpolate(padded, scale_factor=2)[:, :, 1:-1].contiguous()
        result[:, :, _doubled(rows)] = _convolve(conv, enlarged)
    return result


def _doubled(rows: slice) -> slice:
    return slice(2 * rows.start, 2 * rows.stop)


def _empty(buffer: Tensor, channels: int, factor: int = 1) -> Tensor:
    """Return an uninitialized buffer, ``factor`` times as long along each axis as ``buffer``."""
    return buffer.new_empty((1, channels, *(n * factor for n in buffer.shape[2:])))


def _rows(values: Tensor, slab_voxels: int) -> Iterator[slice]:
    """Yield row ranges along x that divide the volume into slabs of about equal size."""
    n, plane = values.shape[2], values[0, 0, 0].numel()
    n_slabs = -(-n // max(1, slab_voxels // plane))
    ends = [n * index // n_slabs for index in range(n_slabs + 1)]
    return map(slice, ends[:-1], ends[1:])


def _padded(
    values: Tensor, slab_voxels: int, prepare: Prepare = lambda slab: slab
) -> Iterator[tuple[slice, Tensor]]:
    """Yield the rows of each slab, and the slab with its halo after applying ``prepare``.

    The halo is one row of each neighboring slab, or zeros at the ends of the volume. The caller may
    overwrite the values of a slab that it has received: the row that the next slab needs has been
    copied before.
    """
    before, n = values[:, :, :0], values.shape[2]
    for rows in _rows(values, slab_voxels):
        slab = prepare(torch.cat([before, values[:, :, rows.start : rows.stop + 1]], dim=2))
        before = values[:, :, rows.stop - 1 : rows.stop].clone()
        if rows.start > 0 and rows.stop < n:
            yield rows, slab
        else:
            beside = (int(rows.start == 0), int(rows.stop == n))
            yield rows, functional.pad(slab, (0, 0, 0, 0, *beside))


def _convolve(conv: nn.Conv3d, padded: Tensor) -> Tensor:
    return functional.conv3d(padded, conv.weight, conv.bias, padding=(0, 1, 1), groups=conv.groups)


def _activation(normalize: Prepare) -> Prepare:
    return lambda slab: functional.silu(normalize(slab), inplace=True)


def _normalization(norm: nn.GroupNorm, values: Tensor, slab_voxels: int) -> Prepare:
    """Return a function that normalizes a slab, given the statistics of the whole feature map."""
    mean, variance = _moments(values, norm.num_groups, slab_voxels)
    per_group = norm.num_channels // norm.num_groups
    scale = (variance + norm.eps).rsqrt().repeat_interleave(per_group) * norm.weight.double()
    shift = norm.bias.double() - mean.repeat_interleave(per_group) * scale
    scale, shift = (values.float().view(1, -1, 1, 1, 1) for values in (scale, shift))
    return lambda slab: torch.addcmul(shift, slab.float(), scale).to(slab.dtype)


def _moments(values: Tensor, n_groups: int, slab_voxels: int) -> tuple[Tensor, Tensor]:
    """Return the mean and variance of each group over all slabs, in float64.

    The variances of the slabs are combined by the law of total variance.
    """
    slabs = [values[:, :, rows] for rows in _rows(values, slab_voxels)]
    parts = [torch.var_mean(s.float().reshape(n_groups, -1), dim=1, correction=0) for s in slabs]
    variances, means = (torch.stack(part).double() for part in zip(*parts, strict=True))
    n_rows = torch.tensor([[slab.shape[2]] for slab in slabs], device=means.device)
    weights = n_rows.double() / n_rows.sum()
    mean = (weights * means).sum(0)
    return mean, (weights * (variances + (means - mean) ** 2)).sum(0)
