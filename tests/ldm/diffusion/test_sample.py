"""Sampling with exact predictors gives the data, and equals independent implementations."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from ldm.autoencoder.decode import decode_in_slabs
from ldm.autoencoder.model import build_autoencoder
from ldm.config import Objective
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.objective import NOISE_SCHEDULE, cumulative_alphas
from ldm.diffusion.sample import (
    ddim,
    ddpm,
    decode_to_hu,
    euler,
    initial_noise,
)
from ldm.errors import InputError
from ldm.networks import DDPMScheduler
from ldm.recipes import DEMO_AUTOENCODER
from tests.support.small_sampling import BY_NOISE, SHAPE, Contracts, by_ddpm, sampled, sampling

TARGET = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9)) * 2 + 1
ALPHAS = cumulative_alphas()


class OnePoint(nn.Module):
    """The exact predictor for data that are a single point."""

    def __init__(self, objective):
        super().__init__()
        self.objective = objective

    def forward(self, noisy, time):
        if self.objective is Objective.RECTIFIED_FLOW:
            return (noisy - TARGET) / (time / 1000).view(-1, 1, 1, 1, 1)
        alpha = ALPHAS[time].view(-1, 1, 1, 1, 1)
        noise = (noisy - alpha.sqrt() * TARGET) / (1 - alpha).sqrt()
        is_v = self.objective is Objective.V
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * TARGET if is_v else noise


class Bell(nn.Module):
    """The exact predictor for data whose elements are N(1, 0.25)."""

    def __init__(self, objective):
        super().__init__()
        self.objective = objective

    def forward(self, noisy, time):
        alpha = ALPHAS[time].view(-1, 1, 1, 1, 1)
        away = noisy - alpha.sqrt()
        noise = (1 - alpha).sqrt() * away / (0.25 * alpha + 1 - alpha)
        clean = 1 + 0.25 * alpha.sqrt() * away / (0.25 * alpha + 1 - alpha)
        is_v = self.objective is Objective.V
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean if is_v else noise


class Gray(nn.Module):
    """An autoencoder without weights: the image is a tenth of the latent's first channel."""

    def decode(self, latents):
        return latents[:, :1] / 10


def ddim_in_numpy(start, n_steps, *, is_v):
    """DDIM (Song 2021, eq. 12, eta = 0) with the predictor ``Contracts``.

    As in MONAI, a step skips 1000 // n_steps noise levels.
    """
    alphas = np.append(ALPHAS.double().numpy(), 1.0)  # index -1 is without noise
    x = start.double().numpy()
    for step in np.round(np.linspace(999, 0, n_steps)).astype(int):
        alpha, before = alphas[step], alphas[max(step - 1000 // n_steps, -1)]
        prediction = x * (0.2 + step / 2000)
        if is_v:  # Salimans 2022, section 4
            clean = alpha**0.5 * x - (1 - alpha) ** 0.5 * prediction
            noise = (1 - alpha) ** 0.5 * x + alpha**0.5 * prediction
        else:
            clean, noise = (x - (1 - alpha) ** 0.5 * prediction) / alpha**0.5, prediction
        x = before**0.5 * clean + (1 - before) ** 0.5 * noise
    return torch.from_numpy(x).float()


def ddpm_of_monai(network, objective, plan):
    """MONAI's DDPM scheduler, for one sample at a time with the sample's own generator."""
    kind = "v_prediction" if objective is Objective.V else "epsilon"
    scheduler = DDPMScheduler(**NOISE_SCHEDULE, clip_sample=False, prediction_type=kind)
    ends = []
    for index in range(plan.n_samples):
        generator = torch.Generator().manual_seed(plan.seed * 100_003 + index)
        x = torch.randn((1, *SHAPE), generator=generator)
        for step in scheduler.timesteps:
            x, _ = scheduler.step(network(x, step.view(1)), int(step), x, generator)
        ends.append(x)
    return torch.cat(ends)


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
    torch.testing.assert_close(end, torch.full((1, *SHAPE), 4.0))  # 5 minus four steps of 1/4


@pytest.mark.parametrize("objective", BY_NOISE)
@pytest.mark.parametrize("n_steps", [1, 10, 50])
def test_ddim_with_the_exact_prediction_lands_on_the_data(objective, n_steps):
    end = ddim(OnePoint(objective), initial_noise(SHAPE, sampling()), n_steps, objective)
    torch.testing.assert_close(end, TARGET.expand_as(end), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("objective", BY_NOISE)
@pytest.mark.parametrize("n_steps", [7, 50])
def test_ddim_is_the_papers_equation(objective, n_steps):
    start = initial_noise(SHAPE, sampling())
    expected = ddim_in_numpy(start, n_steps, is_v=objective is Objective.V)
    found = ddim(Contracts(), start, n_steps, objective)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("objective", BY_NOISE)
def test_ddpm_with_the_exact_prediction_lands_on_the_data(objective):
    end = sampled(OnePoint(objective), objective, by_ddpm())
    torch.testing.assert_close(end, TARGET.expand_as(end), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("objective", BY_NOISE)
def test_ddpm_is_monais_with_each_samples_own_noise(objective):
    found = sampled(Contracts(), objective, by_ddpm(n_samples=2))
    expected = ddpm_of_monai(Contracts(), objective, by_ddpm(n_samples=2))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("objective", BY_NOISE)
def test_ddpm_draws_from_the_distribution_of_the_data(objective):
    found = sampled(Bell(objective), objective, by_ddpm(n_samples=40))  # 4,800 elements
    assert float(found.mean()) == pytest.approx(1, abs=0.03)
    assert float(found.std()) == pytest.approx(0.5, abs=0.02)


def test_ddpm_takes_every_step_from_the_last():
    told = []

    def predict(latents, time):
        told.append(int(time[0]))
        return torch.zeros_like(latents)

    start = torch.zeros(1, *SHAPE)
    ddpm(predict, start, objective=Objective.V, draw=lambda: torch.zeros_like(start))
    assert told == list(range(999, -1, -1))


def test_scans_are_decoded_in_slabs_to_the_same_hu_if_memory_is_short(monkeypatch):
    network = build_autoencoder(DEMO_AUTOENCODER).eval()
    latents = torch.randn(2, 4, 4, 3, 2, generator=torch.Generator().manual_seed(0))
    whitening = WhiteningStatistics(mean=(0.0,) * 4, std=(1.0,) * 4)
    whole = decode_to_hu(network, latents, whitening, torch.device("cpu"))
    ways = []
    monkeypatch.setattr("ldm.diffusion.sample.free_memory_gib", lambda _: 0.0)
    monkeypatch.setattr(
        "ldm.diffusion.sample.decode_in_slabs",
        lambda *given: ways.append(1) or decode_in_slabs(*given),
    )
    in_slabs = decode_to_hu(network, latents, whitening, torch.device("cpu"))
    assert len(ways) == 2
    np.testing.assert_allclose(in_slabs, whole, atol=0.1)


def test_sampling_and_training_need_only_torch_monai_and_safetensors():
    absent = ("nibabel", "scipy", "SimpleITK", "ray", "mlflow", "optuna", "pandas", "matplotlib")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}));"
        "import ldm.diffusion.sample, ldm.diffusion.train, ldm.diffusion.denoiser;"
        "import ldm.diffusion.objective, ldm.autoencoder.decode, ldm.recipes"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_method_that_does_not_fit_the_objective_is_refused():
    with pytest.raises(InputError, match=r"rectified_flow must be sampled by euler.*got ddpm"):
        sampled(Contracts(), Objective.RECTIFIED_FLOW, by_ddpm())


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
    # 4 -> 0.4 -> -200 HU; 5 -> 0.5 -> 0 HU; 204 is clipped to the edge of the window
    np.testing.assert_allclose(hu[:, 0, 0, 0], [-200, 0, 1000], atol=1e-3)
