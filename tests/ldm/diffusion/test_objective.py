"""The equations of the training objectives, by hand and against independent implementations."""

import numpy as np
import pytest
import torch
from torch import nn

from ldm.config import Objective, Whitening
from ldm.data.latents.statistics import LatentStatistics
from ldm.data.latents.whitening import whitening_statistics
from ldm.diffusion.objective import (
    NOISE_SCHEDULE,
    cumulative_alphas,
    denoising_loss,
    diffuse,
    draw_times,
    interpolate,
    latents_from_noise,
    latents_from_v,
    logit_normal_times,
    posterior,
    v_target,
    velocity,
)
from ldm.networks import DDPMScheduler

Z, E = (torch.full((1, 1, 2, 2, 2), value) for value in (4.0, 2.0))


class KnowsTheLatents(nn.Module):
    """The perfect predictor for an objective, which knows the clean latents."""

    def __init__(self, latents, objective):
        super().__init__()
        self.latents, self.objective = latents, objective

    def forward(self, noisy, time):
        if self.objective is Objective.RECTIFIED_FLOW:
            return (noisy - self.latents) / (time / 1000).view(-1, 1, 1, 1, 1)
        alpha = cumulative_alphas()[time].view(-1, 1, 1, 1, 1)
        noise = (noisy - alpha.sqrt() * self.latents) / (1 - alpha).sqrt()
        is_v = self.objective is Objective.V
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * self.latents if is_v else noise


def random_latents(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Zero(nn.Module):
    def forward(self, noisy, _time):
        return torch.zeros_like(noisy)


def losses_of(network, latents, objective, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return denoising_loss(
        network,
        latents,
        noise=torch.randn(latents.shape, generator=generator),
        times=draw_times(objective, len(latents), generator),
        objective=objective,
        alphas=cumulative_alphas(),
    )


def loss_of(network, latents, objective, seed=0):
    return float(losses_of(network, latents, objective, seed).loss)


@pytest.mark.parametrize(
    ("alpha", "expected"), [(1.0, 4.0), (0.0, 2.0), (0.25, 0.5 * 4 + 0.75**0.5 * 2)]
)
def test_diffusing_weighs_latents_and_noise_by_roots(alpha, expected):
    noisy = diffuse(Z, E, torch.tensor([alpha]))
    torch.testing.assert_close(noisy, torch.full_like(Z, expected))


@pytest.mark.parametrize(
    ("alpha", "expected"), [(1.0, 2.0), (0.0, -4.0), (0.25, 0.5 * 2 - 0.75**0.5 * 4)]
)
def test_v_turns_from_the_noise_to_minus_the_latents(alpha, expected):
    v = v_target(Z, E, torch.tensor([alpha]))
    torch.testing.assert_close(v, torch.full_like(Z, expected))


def test_v_is_monais_velocity():
    latents, noise = random_latents(2, 4, 1, 2, 2, 2)
    steps = torch.tensor([0, 10, 500, 999])
    theirs = DDPMScheduler(**NOISE_SCHEDULE).get_velocity(latents, noise, steps)
    torch.testing.assert_close(v_target(latents, noise, cumulative_alphas()[steps]), theirs)


@pytest.mark.parametrize("alpha", [0.9, 0.25, 0.01])
def test_the_latents_come_back_from_their_noise_and_from_v(alpha):
    noisy, v = (equation(Z, E, torch.tensor([alpha])) for equation in (diffuse, v_target))
    torch.testing.assert_close(latents_from_noise(noisy, E, alpha), Z)
    torch.testing.assert_close(latents_from_v(noisy, v, alpha), Z)


@pytest.mark.parametrize(("previous_alpha", "alpha"), [(0.9985, 0.99), (0.6, 0.5), (0.02, 0.01)])
def test_the_posterior_is_that_of_bayes(previous_alpha, alpha):
    # Bayes: the product of two Gaussians of the earlier latents, the prior given the clean latents
    # and the likelihood of the noisy latents.
    kept = alpha / previous_alpha
    clean_precision, noisy_precision = 1 / (1 - previous_alpha), kept / (1 - kept)
    precision = clean_precision + noisy_precision
    by_hand = clean_precision * previous_alpha**0.5 * 4 + noisy_precision * 2 / kept**0.5
    mean, variance = posterior(Z, E, alpha=alpha, previous_alpha=previous_alpha)
    assert variance == pytest.approx(1 / precision)
    torch.testing.assert_close(mean, torch.full_like(Z, by_hand / precision))


def test_the_last_posterior_is_the_clean_latents():
    mean, variance = posterior(Z, E, alpha=0.9985, previous_alpha=1.0)
    assert variance == 0
    torch.testing.assert_close(mean, Z)


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
    latents, noise = random_latents(2, 3, 1, 2, 2, 2).double()
    time, step = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64), 1e-4
    rise = interpolate(latents, noise, time + step) - interpolate(latents, noise, time - step)
    torch.testing.assert_close(rise / (2 * step), velocity(latents, noise))


def test_cumulative_alphas_are_those_of_scaled_linear_betas():
    betas = np.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2  # Rombach 2022, as in MONAI's bundle
    np.testing.assert_allclose(cumulative_alphas().numpy(), np.cumprod(1 - betas), rtol=1e-3)


def test_logit_normal_times_are_dense_around_the_middle():
    times = logit_normal_times(20_000, torch.Generator().manual_seed(0))
    assert float(times.median()) == pytest.approx(0.5, abs=0.01)
    within = float(((times > 0.26894) & (times < 0.73106)).float().mean())  # sigmoid of -1 and 1
    assert within == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("objective", Objective)
def test_a_perfect_predictor_has_no_loss(objective):
    latents = random_latents(16, 2, 3, 3, 3, seed=1)
    assert loss_of(KnowsTheLatents(latents, objective), latents, objective) < 1e-6


def test_predicting_zero_costs_the_variance_of_the_noise():
    latents = torch.full((64, 4, 5, 5, 5), 3.0)
    assert loss_of(Zero(), latents, Objective.EPSILON) == pytest.approx(1, abs=0.03)


def test_predicting_zero_costs_the_variance_of_the_velocity():
    latents = torch.full((64, 4, 5, 5, 5), 3.0)  # E (e - 3)^2 = 1 + 9
    assert loss_of(Zero(), latents, Objective.RECTIFIED_FLOW) == pytest.approx(10, abs=0.15)


@pytest.mark.parametrize("objective", Objective)
def test_the_trivial_loss_is_that_of_predicting_zero(objective):
    latents = random_latents(8, 2, 3, 3, 3) + 1
    losses = losses_of(Contracts(), latents, objective)
    assert float(losses.trivial) == pytest.approx(loss_of(Zero(), latents, objective))
    assert losses.loss != losses.trivial


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


class Contracts(nn.Module):
    """A predictor without weights whose prediction depends on latents and time."""

    def forward(self, noisy, time):
        return noisy * (0.2 + time.view(-1, 1, 1, 1, 1) / 2000)


# Computed from the equations in NumPy (float64) with the same random numbers: first the noise, then
# the times. Commit 6b840c5, which had no v yet, gave the same values for the other objectives.
@pytest.mark.parametrize(
    ("objective", "whitening", "golden"),
    [
        (Objective.EPSILON, Whitening.SCALAR, 0.371670),
        (Objective.EPSILON, Whitening.CHANNEL, 0.371721),
        (Objective.V, Whitening.SCALAR, 1.44492),
        (Objective.V, Whitening.CHANNEL, 1.21237),
        (Objective.RECTIFIED_FLOW, Whitening.SCALAR, 2.08229),
        (Objective.RECTIFIED_FLOW, Whitening.CHANNEL, 1.78459),
    ],
)
def test_the_loss_of_whitened_latents_is_the_golden_one(objective, whitening, golden):
    # scale_std by hand: the variance is (4 + 0.25) / 2 within channels, plus 4 between their means
    # of 3 and -1.
    statistics = LatentStatistics(mean=(3.0, -1.0), std=(2.0, 0.5), scale_std=6.125**0.5)
    mean, std = (torch.tensor(v).view(1, 2, 1, 1, 1) for v in (statistics.mean, statistics.std))
    latents = random_latents(6, 2, 3, 4, 5, seed=7) * std + mean
    whitened = whitening_statistics(statistics, whitening).whiten(latents)
    assert loss_of(Contracts(), whitened, objective, seed=8) == pytest.approx(golden, rel=1e-4)
