"""Part of the way to noise and back."""

import pytest
import torch

from ldm.config import Objective, SamplingConfig
from ldm.denoise import denoise
from ldm.objective import cumulative_alphas

LATENTS = torch.randn(3, 2, 4, 4, 4, generator=torch.Generator().manual_seed(0))


class Oracle(torch.nn.Module):
    """Knows the latents, and so what was added to them."""

    def __init__(self, latents, objective):
        super().__init__()
        self.latents, self.objective, self.seen = latents, objective, []

    def forward(self, noisy, times):
        self.seen.append(float(times[0]))
        if self.objective is Objective.RECTIFIED_FLOW:
            return (noisy - self.latents) / (times[0] / 1000)  # x - z = t (e - z)
        alpha = cumulative_alphas()[int(times[0])]
        noise = (noisy - alpha.sqrt() * self.latents) / (1 - alpha).sqrt()
        if self.objective is Objective.EPSILON:
            return noise
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * self.latents


def denoised(network, objective, share=0.5, seed=1):
    sampling = SamplingConfig(n_samples=3, n_steps=10, seed=seed)
    return denoise(network, LATENTS, objective=objective, sampling=sampling, share=share)


@pytest.mark.parametrize("objective", Objective)
def test_a_model_that_knows_the_patient_gives_it_back(objective):
    result = denoised(Oracle(LATENTS, objective), objective)
    torch.testing.assert_close(result, LATENTS, atol=0.02, rtol=0)


@pytest.mark.parametrize("objective", Objective)
def test_half_of_the_steps_are_left_from_the_middle(objective):
    oracle = Oracle(LATENTS, objective)
    denoised(oracle, objective)
    assert len(oracle.seen) == 5
    assert oracle.seen[0] == pytest.approx(500, abs=101)
    assert oracle.seen == sorted(oracle.seen, reverse=True)


def test_no_step_changes_nothing():
    assert denoised(None, Objective.V, share=0.0) is LATENTS


def test_the_noise_depends_on_the_seed_alone():
    class Still(torch.nn.Module):
        def forward(self, noisy, _):
            return torch.zeros_like(noisy)

    first, again, other = (denoised(Still(), Objective.V, seed=seed) for seed in (1, 1, 2))
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert not torch.allclose(first, other)
