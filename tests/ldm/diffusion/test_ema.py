"""The moving average of the weights, whose half-life is given in samples."""

import math

import pytest
import torch
from torch import nn

from ldm.diffusion.ema import ema_decay, start_average, update_average


def linear(weight):
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, weight)
    return network


@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_after_a_half_life_the_start_weighs_one_half(batch_size):
    seen = range(10_000, 10_000 + 120, batch_size)
    kept = math.prod(ema_decay(batch_size, samples, 120) for samples in seen)
    assert kept == pytest.approx(0.5)


def test_early_on_the_half_life_is_a_tenth_of_the_samples_seen():
    assert ema_decay(10, 100, 10_000) == pytest.approx(0.5)
    assert ema_decay(10, 200, 10_000) == pytest.approx(0.5**0.5)


def test_the_ramp_ends_where_it_meets_the_half_life():
    assert ema_decay(4, 1200, 120) == ema_decay(4, 10**6, 120) > ema_decay(4, 1196, 120)


def test_the_first_step_keeps_next_to_nothing_of_the_start():
    assert ema_decay(4, 4, 10_000) == pytest.approx(0.5**10)


def test_without_a_half_life_the_average_is_the_weights():
    average, weights = torch.tensor([1.0, 5.0]), torch.tensor([0.1, 0.7])
    update_average(average, weights, ema_decay(4, 100, None))
    assert torch.equal(average, weights)


def test_an_update_by_hand():
    average = torch.tensor([1.0, 5.0])
    update_average(average, torch.tensor([5.0, 5.0]), decay=0.75)
    assert average.tolist() == pytest.approx([2.0, 5.0])


def test_an_average_starts_as_a_copy_without_gradients():
    network = linear(3.0)
    average = start_average(network)
    with torch.no_grad():
        network.weight.fill_(7.0)
    assert float(average.weight) == 3.0
    assert not average.weight.requires_grad
    assert not average.training
