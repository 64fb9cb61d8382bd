"""A sample does not depend on its batch, its device or, nearly, on the precision."""

import dataclasses

import pytest
import torch

from ldm.config import Objective, Precision
from ldm.diffusion.denoiser import build_denoiser
from ldm.diffusion.sample import (
    USABLE,
    NoiseStreams,
    batch_within,
    initial_noise,
    prediction_memory_gib,
)
from tests.support.small_sampling import BY_NOISE, SHAPE, Contracts, by_ddpm, sampled, sampling
from tests.support.small_training import tiny_config

DENOISED_SHAPE = (4, 8, 8, 4)


@pytest.fixture(scope="module")
def denoiser():
    """A small denoiser in which every weight matters; with initial weights it would return zero."""
    torch.manual_seed(0)
    network = build_denoiser(tiny_config().denoiser, DENOISED_SHAPE[0]).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return network


def test_the_noise_of_a_sample_does_not_depend_on_how_many_there_are():
    few, many = (initial_noise(SHAPE, sampling(n_samples=n)) for n in (2, 5))
    torch.testing.assert_close(many[:2], few, rtol=0, atol=0)


def test_a_samples_stream_of_noise_does_not_depend_on_its_batch():
    whole = NoiseStreams(SHAPE, seed=3, samples=range(5))
    part = NoiseStreams(SHAPE, seed=3, samples=range(2, 4))
    for _ in range(3):
        torch.testing.assert_close(part.draw(), whole.draw()[2:4], rtol=0, atol=0)


def test_each_draw_of_each_sample_and_seed_is_another():
    streams = [NoiseStreams(SHAPE, seed=seed, samples=range(3)) for seed in (0, 1)]
    noise = torch.cat([stream.draw() for stream in streams for _ in range(2)])
    assert len({tuple(sample.flatten().tolist()) for sample in noise}) == 12


def test_each_sample_and_each_seed_has_its_own_noise():
    noise = torch.cat([initial_noise(SHAPE, sampling(seed=seed)) for seed in (0, 1)])
    assert len({tuple(sample.flatten().tolist()) for sample in noise}) == 6


def test_noise_is_standard_normal():
    noise = initial_noise((8, 12, 12, 8), sampling(n_samples=8))
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.std()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("objective", Objective)
def test_samples_do_not_depend_on_the_batch(objective, batch_size):
    plan = sampling(n_samples=8)
    found = sampled(Contracts(), objective, plan, batch_size=batch_size)
    torch.testing.assert_close(found, sampled(Contracts(), objective, plan))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_samples_of_the_denoiser_do_not_depend_on_the_batch(denoiser, batch_size):
    plan = sampling(n_samples=8)
    found, whole = (
        sampled(denoiser, Objective.RECTIFIED_FLOW, plan, batch_size=n, shape=DENOISED_SHAPE)
        for n in (batch_size, 8)
    )
    assert whole.std() > 0.1
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("objective", BY_NOISE)
def test_ancestral_samples_do_not_depend_on_the_batch(objective):
    whole = sampled(Contracts(), objective, by_ddpm())
    torch.testing.assert_close(sampled(Contracts(), objective, by_ddpm(), batch_size=2), whole)


@pytest.mark.parametrize("objective", Objective)
def test_devices_that_share_the_samples_draw_the_same_ones(objective):
    plan = sampling(n_samples=5)
    ranges = (range(2), range(2, 5), range(5, 5))
    shares = [sampled(Contracts(), objective, plan, samples=samples) for samples in ranges]
    torch.testing.assert_close(torch.cat(shares), sampled(Contracts(), objective, plan))


def test_in_bfloat16_samples_are_nearly_the_same(monkeypatch, denoiser):
    given = denoiser, Objective.RECTIFIED_FLOW, sampling(), DENOISED_SHAPE
    exact = sampled(*given)
    monkeypatch.setattr("ldm.device.is_bfloat16_fast", lambda _: True)
    rounded = sampled(*given)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).std() < 0.02 * exact.std()


def test_samples_of_a_float32_configuration_are_exact_on_any_hardware(monkeypatch, denoiser):
    plan = dataclasses.replace(sampling(), precision=Precision.FLOAT32)
    exact = sampled(denoiser, Objective.RECTIFIED_FLOW, plan, DENOISED_SHAPE)
    monkeypatch.setattr("ldm.device.is_bfloat16_fast", lambda _: True)
    assert torch.equal(sampled(denoiser, Objective.RECTIFIED_FLOW, plan, DENOISED_SHAPE), exact)


def test_the_batch_is_what_fits_beside_the_network(denoiser):
    weights_gib = sum(w.numel() for w in denoiser.parameters()) * 4 / 2**30
    for n in (2, 5):
        needs_gib = prediction_memory_gib(denoiser, DENOISED_SHAPE, n) - weights_gib
        assert batch_within(1.05 * needs_gib / USABLE, denoiser, DENOISED_SHAPE) == n
    assert batch_within(0, denoiser, DENOISED_SHAPE) == 1
    assert batch_within(1000, denoiser, DENOISED_SHAPE) == 64
