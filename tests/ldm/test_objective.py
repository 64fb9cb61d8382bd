"""The equations of diffusion and flow, by hand and against the papers."""

import numpy as np
import pytest
import torch
from torch import nn

from ldm.config import Objective
from ldm.objective import (
    cumulative_alphas,
    denoising_loss,
    diffuse,
    interpolate,
    logit_normal_times,
    velocity,
)

Z, E = (torch.full((1, 1, 2, 2, 2), value) for value in (4.0, 2.0))


class KnowsTheLatents(nn.Module):
    """The perfect predictor of one objective: it has seen the clean latents."""

    def __init__(self, latents, objective):
        super().__init__()
        self.latents, self.objective = latents, objective

    def forward(self, noisy, time):
        if self.objective is Objective.RECTIFIED_FLOW:
            return (noisy - self.latents) / (time / 1000).view(-1, 1, 1, 1, 1)
        alpha = cumulative_alphas()[time].view(-1, 1, 1, 1, 1)
        return (noisy - alpha.sqrt() * self.latents) / (1 - alpha).sqrt()


class Zero(nn.Module):
    def forward(self, noisy, _time):
        return torch.zeros_like(noisy)


def loss_of(network, latents, objective, seed=0):
    generator = torch.Generator().manual_seed(seed)
    alphas = cumulative_alphas()
    return float(
        denoising_loss(network, latents, objective=objective, alphas=alphas, generator=generator)
    )


@pytest.mark.parametrize(
    ("alpha", "expected"), [(1.0, 4.0), (0.0, 2.0), (0.25, 0.5 * 4 + 0.75**0.5 * 2)]
)
def test_diffusing_weighs_latents_and_noise_by_roots(alpha, expected):
    noisy = diffuse(Z, E, torch.tensor([alpha]))
    torch.testing.assert_close(noisy, torch.full_like(Z, expected))


@pytest.mark.parametrize(("time", "expected"), [(0.0, 4.0), (1.0, 2.0), (0.25, 3.5)])
def test_interpolation_runs_from_data_to_noise(time, expected):
    torch.testing.assert_close(
        interpolate(Z, E, torch.tensor([time])), torch.full_like(Z, expected)
    )


def test_each_sample_has_its_own_time():
    latents, noise = Z.expand(2, -1, -1, -1, -1), E.expand(2, -1, -1, -1, -1)
    noisy = interpolate(latents, noise, torch.tensor([0.0, 1.0]))
    assert noisy[:, 0, 0, 0, 0].tolist() == [4.0, 2.0]


def test_the_velocity_is_the_derivative_of_the_interpolation():
    generator = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 3, 1, 2, 2, 2, generator=generator, dtype=torch.float64)
    time, step = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64), 1e-4
    rise = interpolate(latents, noise, time + step) - interpolate(latents, noise, time - step)
    torch.testing.assert_close(rise / (2 * step), velocity(latents, noise))


def test_cumulative_alphas_are_those_of_scaled_linear_betas():
    betas = np.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2  # Rombach 2022, as MONAI's bundle
    np.testing.assert_allclose(cumulative_alphas().numpy(), np.cumprod(1 - betas), rtol=1e-3)


def test_logit_normal_times_are_dense_around_the_middle():
    times = logit_normal_times(20_000, torch.Generator().manual_seed(0))
    assert float(times.median()) == pytest.approx(0.5, abs=0.01)
    within = float(((times > 0.26894) & (times < 0.73106)).float().mean())  # sigmoid of -1 and 1
    assert within == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("objective", Objective)
def test_a_perfect_predictor_has_no_loss(objective):
    latents = torch.randn(16, 2, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    assert loss_of(KnowsTheLatents(latents, objective), latents, objective) < 1e-6


def test_predicting_nothing_costs_the_variance_of_the_noise():
    latents = torch.full((64, 4, 5, 5, 5), 3.0)
    assert loss_of(Zero(), latents, Objective.EPSILON) == pytest.approx(1, abs=0.03)


def test_predicting_nothing_costs_the_variance_of_the_velocity():
    latents = torch.full((64, 4, 5, 5, 5), 3.0)  # E (e - 3)^2 = 1 + 9
    assert loss_of(Zero(), latents, Objective.RECTIFIED_FLOW) == pytest.approx(10, abs=0.15)


@pytest.mark.parametrize("objective", Objective)
def test_a_seed_gives_the_same_loss_again_and_another_seed_another(objective):
    one, again, other = (loss_of(Zero(), Z, objective, seed) for seed in (3, 3, 4))
    assert one == again != other


@pytest.mark.parametrize("objective", Objective)
def test_the_network_is_told_times_up_to_1000(objective):
    told = []

    class Listens(Zero):
        def forward(self, noisy, time):
            told.append(time)
            return super().forward(noisy, time)

    loss_of(Listens(), torch.zeros(500, 1, 1, 1, 1), objective)
    assert 0 <= told[0].min() < 150
    assert 850 < told[0].max() < 1000
