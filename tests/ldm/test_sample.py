"""From noise to data: exact predictors land on the data, and noise belongs to its sample."""

import numpy as np
import pytest
import torch
from torch import nn

from ldm.config import Objective, SamplingConfig
from ldm.data.latents import WhiteningStatistics
from ldm.objective import cumulative_alphas
from ldm.sample import ddim, decode_to_hu, euler, initial_noise, sample_latents

SHAPE = (2, 3, 4, 5)
TARGET = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9)) * 2 + 1


class OnePoint(nn.Module):
    """The exact predictor where all data are one point."""

    def __init__(self, objective):
        super().__init__()
        self.objective = objective

    def forward(self, noisy, time):
        if self.objective is Objective.RECTIFIED_FLOW:
            return (noisy - TARGET) / (time / 1000).view(-1, 1, 1, 1, 1)
        alpha = cumulative_alphas()[time].view(-1, 1, 1, 1, 1)
        return (noisy - alpha.sqrt() * TARGET) / (1 - alpha).sqrt()


class Contracts(nn.Module):
    """A predictor that depends on noise and time."""

    def forward(self, noisy, time):
        return noisy * (0.2 + time.view(-1, 1, 1, 1, 1) / 2000)


class Gray(nn.Module):
    """An autoencoder without weights: the image is the latent's first channel over ten."""

    def decode(self, latents):
        return latents[:, :1] / 10


def sampling(n_samples=3, n_steps=4, seed=0):
    return SamplingConfig(n_samples=n_samples, n_steps=n_steps, seed=seed)


def sampled(network, objective, plan):
    return sample_latents(
        network, shape=SHAPE, objective=objective, sampling=plan, device=torch.device("cpu")
    )


@pytest.mark.parametrize("n_steps", [1, 7, 30])
def test_euler_with_the_exact_velocity_lands_on_the_data(n_steps):
    end = euler(OnePoint(Objective.RECTIFIED_FLOW), initial_noise(SHAPE, sampling()), n_steps)
    torch.testing.assert_close(end, TARGET.expand_as(end), atol=1e-4, rtol=1e-4)


def test_euler_takes_equal_steps_from_noise_to_data():
    told = []

    def predict(latents, time):
        told.append(float(time[0]))
        return torch.ones_like(latents)

    end = euler(predict, torch.full((1, *SHAPE), 5.0), 4)
    assert told == [1000.0, 750.0, 500.0, 250.0]
    torch.testing.assert_close(end, torch.full((1, *SHAPE), 4.0))  # minus 4 quarters of 1


@pytest.mark.parametrize("n_steps", [1, 10, 50])
def test_ddim_with_the_exact_noise_lands_on_the_data(n_steps):
    end = ddim(OnePoint(Objective.EPSILON), initial_noise(SHAPE, sampling()), n_steps)
    torch.testing.assert_close(end, TARGET.expand_as(end), atol=1e-3, rtol=1e-3)


def test_the_noise_of_a_sample_does_not_depend_on_how_many_there_are():
    few, many = (initial_noise(SHAPE, sampling(n_samples=n)) for n in (2, 5))
    torch.testing.assert_close(many[:2], few, rtol=0, atol=0)


def test_each_sample_and_each_seed_has_its_own_noise():
    noise = torch.cat([initial_noise(SHAPE, sampling(seed=seed)) for seed in (0, 1)])
    assert len({tuple(sample.flatten().tolist()) for sample in noise}) == 6


def test_noise_is_standard_normal():
    noise = initial_noise((8, 12, 12, 8), sampling(n_samples=8))
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.std()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("objective", Objective)
def test_samples_do_not_depend_on_the_batch(monkeypatch, objective):
    whole = sampled(Contracts(), objective, sampling(n_samples=5))
    monkeypatch.setattr("ldm.sample.BATCH", 2)
    torch.testing.assert_close(sampled(Contracts(), objective, sampling(n_samples=5)), whole)


@pytest.mark.parametrize("objective", Objective)
def test_each_objective_has_its_integrator(objective):
    found = sampled(OnePoint(objective), objective, sampling(n_samples=2))
    assert found.shape == (2, *SHAPE)
    torch.testing.assert_close(found, TARGET.expand_as(found), atol=1e-3, rtol=1e-3)


def test_sampling_keeps_no_gradients():
    network = nn.Conv3d(2, 2, 1)
    network.forward = lambda noisy, _time: nn.Conv3d.forward(network, noisy)
    assert not sampled(network, Objective.RECTIFIED_FLOW, sampling()).requires_grad


def test_decoding_undoes_the_whitening_and_gives_hu():
    whitening = WhiteningStatistics(mean=(4.0, 0.0), std=(2.0, 1.0))
    latents = torch.zeros(3, *SHAPE)
    latents[1], latents[2] = 0.5, 100.0
    hu = decode_to_hu(Gray(), latents, whitening, torch.device("cpu"))
    assert hu.shape == (3, *SHAPE[1:])
    assert hu.dtype == np.float32
    # 4 -> 0.4 -> -200 HU; 5 -> 0.5 -> 0 HU; 204 -> the window's edge
    np.testing.assert_allclose(hu[:, 0, 0, 0], [-200, 0, 1000], atol=1e-3)
