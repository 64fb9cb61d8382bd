"""Moments of drawn latents, and whitening with them."""

import numpy as np
import pytest
import torch

from ldm.config import Whitening
from ldm.data.latents.statistics import MomentSums
from ldm.data.latents.whitening import WhiteningStatistics, whitening_statistics
from ldm.errors import InputError


@pytest.fixture
def posterior():
    """Means and standard deviations of 3 scans with 2 channels that differ in both."""
    rng = np.random.default_rng(0)
    offset, scale = (np.reshape(v, (1, 2, 1, 1, 1)) for v in ((3.0, -1.0), (2.0, 0.5)))
    mean = offset + scale * rng.standard_normal((3, 2, 4, 4, 2))
    return mean, 0.1 + scale * rng.random((3, 2, 4, 4, 2))


def statistics(mean, std):
    sums = MomentSums()
    for one in zip(mean, std, strict=True):
        sums.add(*one)
    return sums.statistics()


def draws(mean, std, n=4000):
    """Many draws of z = mean + std * noise, channel on axis 1."""
    noise = np.random.default_rng(0).standard_normal((n, *mean.shape))
    return (mean + std * noise).reshape(-1, *mean.shape[1:])


def test_statistics_by_hand():
    mean = np.reshape([1.0, 3.0], (2, 1, 1, 1, 1))  # variance 1, plus 0.75 of the noise
    found = statistics(mean, np.full_like(mean, 0.75**0.5))
    assert found.mean == pytest.approx((2.0,))
    assert found.std == pytest.approx((1.75**0.5,))
    assert found.scale_std == pytest.approx(1.75**0.5)


def test_statistics_are_those_of_drawn_latents(posterior):
    found, drawn = statistics(*posterior), draws(*posterior)
    np.testing.assert_allclose(found.mean, drawn.mean((0, 2, 3, 4)), atol=0.01)
    np.testing.assert_allclose(found.std, drawn.std((0, 2, 3, 4)), rtol=0.01)
    assert found.scale_std == pytest.approx(drawn.std(), rel=0.01)


def test_a_large_offset_costs_no_precision(posterior):
    mean, std = posterior
    found = statistics(mean + 1e4, std)
    np.testing.assert_allclose(found.std, statistics(mean, std).std, rtol=1e-6)


def test_statistics_of_nothing_are_refused():
    with pytest.raises(InputError, match="need a scan"):
        MomentSums().statistics()


def test_whitening_per_channel_gives_mean_0_and_deviation_1(posterior):
    whitening = whitening_statistics(statistics(*posterior), Whitening.CHANNEL)
    white = whitening.whiten(torch.from_numpy(draws(*posterior)).float()).numpy()
    np.testing.assert_allclose(white.mean((0, 2, 3, 4)), 0, atol=0.01)
    np.testing.assert_allclose(white.std((0, 2, 3, 4)), 1, rtol=0.01)


def test_scalar_whitening_has_no_shift_and_one_scale(posterior):
    found = statistics(*posterior)
    whitening = whitening_statistics(found, Whitening.SCALAR)
    assert whitening.mean == (0.0, 0.0)
    assert whitening.std == (found.scale_std,) * 2


@pytest.mark.parametrize("whitening", Whitening)
def test_unwhitening_is_the_inverse(posterior, whitening):
    used = whitening_statistics(statistics(*posterior), whitening)
    latents = torch.from_numpy(posterior[0]).float()
    torch.testing.assert_close(used.unwhiten(used.whiten(latents)), latents)


def test_whitening_by_hand():
    used = WhiteningStatistics(mean=(1.0, 2.0), std=(2.0, 0.5))
    latents = torch.tensor([5.0, 3.0]).view(1, 2, 1, 1, 1)
    assert used.whiten(latents).flatten().tolist() == [2.0, 2.0]
