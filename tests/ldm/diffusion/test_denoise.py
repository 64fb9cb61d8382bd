"""Adding noise to latents and denoising them."""

import pytest
import torch

from ldm.config import Objective, SamplingConfig
from ldm.diffusion.denoise import denoise
from tests.support.oracle import Oracle

LATENTS = torch.randn(3, 2, 4, 4, 4, generator=torch.Generator().manual_seed(0))


def denoised(network, objective, share=0.5, seed=1):
    sampling = SamplingConfig(n_samples=3, n_steps=10, seed=seed)
    return denoise(network, LATENTS, objective=objective, sampling=sampling, share=share)


@pytest.mark.parametrize("objective", Objective)
def test_a_perfect_model_recovers_the_latents(objective):
    result = denoised(Oracle(LATENTS, objective), objective)
    torch.testing.assert_close(result, LATENTS, atol=0.02, rtol=0)


@pytest.mark.parametrize("objective", Objective)
def test_half_of_the_noise_takes_half_of_the_steps(objective):
    oracle = Oracle(LATENTS, objective)
    denoised(oracle, objective)
    assert len(oracle.seen) == 5
    assert oracle.seen[0] == pytest.approx(500, abs=101)
    assert oracle.seen == sorted(oracle.seen, reverse=True)


def test_without_steps_latents_do_not_change():
    assert denoised(None, Objective.V, share=0.0) is LATENTS


def test_the_noise_depends_on_the_seed_alone():
    class Still(torch.nn.Module):
        def forward(self, noisy, _):
            return torch.zeros_like(noisy)

    first, again, other = (denoised(Still(), Objective.V, seed=seed) for seed in (1, 1, 2))
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert not torch.allclose(first, other)
