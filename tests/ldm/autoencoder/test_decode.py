"""Decoding in slabs gives the same image as decoding whole and needs less memory."""

import dataclasses

import pytest
import torch
from torch import nn

from ldm.autoencoder.decode import SLAB_VOXELS, decode_in_slabs
from ldm.autoencoder.model import build_autoencoder, decode
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.errors import InputError
from ldm.memory import hollow_copy, peak_memory_gib
from ldm.network_config import AutoencoderConfig
from ldm.networks import AutoencoderKL
from ldm.recipes import BUNDLE_AUTOENCODER, BUNDLE_GRID_VOXELS
from tests.support.process_memory import in_fresh_process, measured_peak_gib

HU_PER_UNIT = WINDOW_HU[1] - WINDOW_HU[0]
TOLERANCE_HU = 0.1
NEAREST = AutoencoderConfig(
    latent_channels=4, channels=(8, 16, 32), n_res_blocks=2, norm_groups=4
)  # the MONAI bundle's autoencoder with an eighth of its channels
TRANSPOSED = dataclasses.replace(
    NEAREST, channels=(8, 8, 16), n_res_blocks=1, transposed_upsampling=True
)
BOTH = pytest.mark.parametrize("config", [NEAREST, TRANSPOSED], ids=["nearest", "transposed"])
ROWS, PLANE = 7, (3, 5)  # size of the latents; the image has 28 x 12 x 20 voxels
SLABS_VOXELS = {
    "one row": 1,
    "one latent row": 3 * 5,
    "6 of 7 latent rows, then 2 image rows": 100,
    "6 of 28 image rows": 1500,
    "all but a row": 27 * 12 * 20,
    "everything": 10**9,
}

WIDE = dataclasses.replace(NEAREST, channels=(16, 32, 64))
BOTH_WIDE = pytest.mark.parametrize(
    "config",
    [WIDE, dataclasses.replace(WIDE, transposed_upsampling=True)],
    ids=["nearest", "transposed"],
)
MEASURED_SHAPE = (4, 24, 64, 4)  # 96 x 256 x 16 voxels, so channels * rows * y > 20480
MEASURED_SLAB_VOXELS = 2**14
FORECAST_FACTOR = 1.25


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def some_latents(n=1):
    """Return latents whose mean and spread change along x.

    So no slab has the statistics of the whole volume.
    """
    ramp = torch.linspace(-1, 3, ROWS)[:, None, None]
    generator = torch.Generator().manual_seed(1)
    return torch.randn((n, 4, ROWS, *PLANE), generator=generator) * ramp + ramp


@torch.no_grad()
def random_network(config, latents):
    """Build a network in which every weight and bias affects the image.

    The decoded latents fill the range from 0 to 1.
    """
    torch.manual_seed(0)
    network = build_autoencoder(config).eval()
    for norm in (module for module in network.modules() if isinstance(module, nn.GroupNorm)):
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(0, 0.5)
    raw, last = network.decode(latents), network.decoder.blocks[-1].conv
    factor = 0.25 / raw.std()
    last.weight.mul_(factor)
    last.bias.copy_((last.bias - raw.mean()) * factor + 0.5)
    return network


def difference_hu(one, other):
    assert one.shape == other.shape
    return float((one - other).abs().max()) * HU_PER_UNIT


@BOTH
@pytest.mark.parametrize("slab_voxels", SLABS_VOXELS.values(), ids=SLABS_VOXELS)
def test_any_slab_gives_the_image_that_decoding_whole_gives(config, slab_voxels):
    latents = some_latents()
    network = random_network(config, latents)
    whole = decode(network, latents)
    assert whole.std() * HU_PER_UNIT > 300
    in_slabs = decode_in_slabs(network, latents, slab_voxels=slab_voxels)
    assert in_slabs.dtype == torch.float32
    assert difference_hu(in_slabs, whole) <= TOLERANCE_HU


@BOTH
def test_each_latent_of_a_batch_is_decoded_alone(config):
    latents = some_latents(n=2)
    network = random_network(config, latents)
    both = decode_in_slabs(network, latents, slab_voxels=100)
    assert difference_hu(both, decode(network, latents)) <= TOLERANCE_HU
    alone = decode_in_slabs(network, latents[1:], slab_voxels=100)
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=0)


@BOTH
def test_in_bfloat16_slabs_are_as_near_to_the_float32_image_as_decoding_whole(config):
    latents = some_latents()
    network = random_network(config, latents)
    exact = decode(network, latents)
    with torch.autocast("cpu", torch.bfloat16):
        whole = decode(network, latents)
        in_slabs = decode_in_slabs(network, latents, slab_voxels=100)
    assert 0 < (in_slabs - exact).square().mean() <= 1.2 * (whole - exact).square().mean()


def test_weights_in_bfloat16_can_be_decoded_in_slabs():
    latents = some_latents()
    network = random_network(NEAREST, latents)
    exact = decode(network, latents)
    network, latents = network.bfloat16(), latents.bfloat16()
    whole = decode(network, latents)
    in_slabs = decode_in_slabs(network, latents, slab_voxels=100)
    assert (in_slabs - exact).square().mean() <= 1.2 * (whole - exact).square().mean()


def test_decoding_leaves_the_latents_alone_and_keeps_no_gradients():
    latents = some_latents()
    network = random_network(NEAREST, latents)
    assert not decode_in_slabs(network, latents).requires_grad
    torch.testing.assert_close(latents, some_latents(), rtol=0, atol=0)


def test_attention_is_refused():
    network = AutoencoderKL(
        spatial_dims=3,
        num_res_blocks=1,
        channels=(4, 4),
        attention_levels=(False, False),
        norm_num_groups=2,
    )
    with pytest.raises(InputError, match="decoder block 2 is a SpatialAttentionBlock"):
        decode_in_slabs(network, some_latents()[:, :3])


@pytest.mark.parametrize(
    "block",
    [
        nn.Sequential(nn.Conv3d(4, 32, 3, padding=2, dilation=2)),
        nn.Sequential(nn.Conv3d(4, 32, 3, padding=1, padding_mode="circular")),
        nn.Sequential(nn.Conv3d(4, 32, 3, padding=1), nn.SiLU()),
        nn.Sequential(nn.Upsample(scale_factor=(3, 3, 3)), nn.Conv3d(4, 32, 3, padding=1)),
        nn.Sequential(
            nn.Upsample(scale_factor=(2, 2, 2), mode="trilinear"), nn.Conv3d(4, 32, 3, padding=1)
        ),
        nn.Sequential(nn.ConvTranspose3d(4, 32, 3, stride=2, padding=1)),
        nn.InstanceNorm3d(32),
    ],
    ids=str,
)
def test_a_block_that_is_not_known_is_refused_by_name(block):
    network = build_autoencoder(NEAREST)
    network.decoder.blocks[0] = block
    with pytest.raises(InputError, match=f"decoder block 0 is a {type(block).__name__}"):
        decode_in_slabs(network, some_latents())


def test_a_slab_has_a_voxel_or_more():
    with pytest.raises(InputError, match="slab_voxels must be 1 or more, got 0"):
        decode_in_slabs(build_autoencoder(NEAREST), some_latents(), slab_voxels=0)


def decode_memory_gib(network, latent_shape, *, slab_voxels=SLAB_VOXELS):
    """Forecast the peak memory of decoding one latent in GiB, including the weights."""

    def run():
        hollow = hollow_copy(network)
        latents = torch.empty(1, *latent_shape, dtype=hollow.post_quant_conv.conv.weight.dtype)
        if slab_voxels is not None:
            return decode_in_slabs(hollow, latents, slab_voxels=slab_voxels)
        with torch.no_grad():
            return hollow.decode(latents).clamp(0, 1)

    return peak_memory_gib(run)


def test_slabs_need_two_fifths_of_the_memory_for_the_bundle():
    with torch.device("meta"):
        network = build_autoencoder(BUNDLE_AUTOENCODER)
    weights = sum(parameter.numel() for parameter in network.parameters()) * 4 / 2**30
    shape = (8, *(n // 4 for n in BUNDLE_GRID_VOXELS))
    whole = decode_memory_gib(network, shape, slab_voxels=None) - weights
    # At the peak, the last block holds its input (128 channels), the activated input (128), a copy
    # of it for the convolution (128) and the result (64), each with 144 x 176 x 112 voxels.
    assert whole == pytest.approx(144 * 176 * 112 * 448 * 4 / 2**30, rel=0.01)
    assert decode_memory_gib(network, shape) - weights <= 0.4 * whole


def test_half_precision_is_forecast_to_need_half():
    network = build_autoencoder(NEAREST)
    single = decode_memory_gib(network, (4, 12, 12, 8), slab_voxels=None)
    half = decode_memory_gib(network.bfloat16(), (4, 12, 12, 8), slab_voxels=None)
    assert half == pytest.approx(single / 2, rel=0.05)


def measured_gib(config, slab_voxels):
    """Measure the memory that decoding needs beyond the weights."""
    network = build_autoencoder(config).eval().requires_grad_(False)
    decode(network, torch.zeros(1, 4, 2, 4, 4))
    latents = torch.randn(1, *MEASURED_SHAPE)
    if slab_voxels is None:
        return measured_peak_gib(lambda: decode(network, latents))
    return measured_peak_gib(lambda: decode_in_slabs(network, latents, slab_voxels=slab_voxels))


@pytest.mark.slow
@BOTH_WIDE
def test_slabs_need_at_most_half_of_the_memory_and_forecasts_are_right(config):
    network = build_autoencoder(config)
    weights = sum(parameter.numel() for parameter in network.parameters()) * 4 / 2**30
    sizes = (None, MEASURED_SLAB_VOXELS)
    forecast = [decode_memory_gib(network, MEASURED_SHAPE, slab_voxels=n) - weights for n in sizes]
    found = [in_fresh_process(measured_gib, config, n) for n in sizes]
    assert found == pytest.approx(forecast, rel=FORECAST_FACTOR - 1)
    assert found[1] <= found[0] / 2
