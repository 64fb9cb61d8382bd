"""Memory forecasts agree with sums worked out by hand and with the memory of real processes."""

import pytest
import torch
from torch import nn

from ldm.config import Crop
from ldm.diffusion.denoiser import build_denoiser
from ldm.memory import hollow_copy, peak_memory_gib
from ldm.recipes import demo
from tests.support.process_memory import in_fresh_process, measured_peak_gib

MIB = 2**18  # number of float32 values in 1 MiB
BATCH = 32
FORECAST_FACTOR = 1.3


def peak_mib(run):
    return peak_memory_gib(run) * 1024


def test_tensors_that_exist_together_are_added_up():
    assert peak_mib(lambda: [torch.empty(MIB), torch.empty(2 * MIB)]) == 3


def test_deleted_tensors_do_not_count():
    def run():
        for _ in range(3):
            torch.empty(2 * MIB)
        torch.empty(MIB)

    assert peak_mib(run) == 2


def test_views_and_in_place_operations_need_no_memory():
    def run():
        values = torch.ones(MIB)
        return values.view(2, -1).add_(1)[0]

    assert peak_mib(run) == 1


def test_half_precision_takes_half():
    assert peak_mib(lambda: torch.empty(MIB, dtype=torch.bfloat16)) == 0.5


def test_a_convolution_copies_its_input():
    def run():
        conv = nn.Conv3d(1, 3, 1, bias=False)
        with torch.no_grad():
            conv(torch.empty(1, 1, MIB, 1, 1))

    assert peak_mib(run) == pytest.approx(1 + 1 + 3, abs=1e-3)


def test_tensors_kept_for_the_backward_pass_count():
    def run(*, is_kept):
        weight = torch.ones(1, requires_grad=is_kept)
        x = torch.ones(MIB) * weight  # keeps its input for the backward pass
        x = x.exp()  # keeps its output; its input is freed
        x.exp().sum().backward() if is_kept else x.exp()

    assert peak_mib(lambda: run(is_kept=False)) == pytest.approx(2, abs=1e-3)
    assert peak_mib(lambda: run(is_kept=True)) >= 4


def test_nothing_is_computed():
    tib = 2**38
    assert peak_memory_gib(lambda: torch.empty(tib) + 1) == 2 * 1024


def test_a_hollow_copy_takes_what_the_network_takes():
    network = nn.Conv3d(1, 2**15, 2, bias=False)
    assert peak_mib(lambda: hollow_copy(network)) == 1


def training_steps(n=BATCH):
    """Take two steps, because the first one only creates the state of the optimizer."""
    config = demo(Crop.PANCREAS)
    network = build_denoiser(config.denoiser, config.latent_shape[0])
    average = build_denoiser(config.denoiser, config.latent_shape[0])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
    latents = torch.randn(n, *config.latent_shape)
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.mse_loss(network(latents, torch.full((n,), 500.0)), latents).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return average


@torch.no_grad()
def prediction(n=BATCH):
    config = demo(Crop.PANCREAS)
    network = build_denoiser(config.denoiser, config.latent_shape[0]).eval()
    return network(torch.randn(n, *config.latent_shape), torch.full((n,), 500.0))


def measured_gib(work):
    work(1)  # the first call loads and compiles code, which must not count
    return measured_peak_gib(work)


@pytest.mark.slow
@pytest.mark.parametrize("work", [training_steps, prediction])
def test_a_process_needs_the_memory_that_is_forecast(work):
    forecast, found = peak_memory_gib(work), in_fresh_process(measured_gib, work)
    assert forecast / FORECAST_FACTOR <= found <= forecast * FORECAST_FACTOR
