"""Optimizing all weights as one tensor gives the same result as optimizing each of them."""

import copy

import torch
from torch import nn

from ldm.diffusion.flat_weights import FlatWeights


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.SiLU(), nn.Linear(4, 2, bias=False))


def loss_of(network):
    return network(torch.tensor([[1.0, -2.0, 0.5]])).square().sum()


def step(optimizer, network, flat=None):
    optimizer.zero_grad()
    loss_of(network).backward()
    if flat is not None:
        flat.gather_gradients()
    optimizer.step()


def test_flattening_keeps_the_weights_and_ties_them_to_one_tensor():
    plain = network()
    flattened = copy.deepcopy(plain)
    flat = FlatWeights(flattened)
    assert flat.values.shape == (3 * 4 + 4 + 4 * 2,)
    for one, other in zip(plain.parameters(), flattened.parameters(), strict=True):
        assert torch.equal(one, other)
    with torch.no_grad():
        flat.values.fill_(7.0)
    assert all(bool((weight == 7).all()) for weight in flattened.parameters())


def test_steps_equal_those_of_an_optimizer_of_each_weight_to_the_bit():
    plain = network()
    flattened = copy.deepcopy(plain)
    flat = FlatWeights(flattened)
    optimizers = torch.optim.Adam(plain.parameters(), 0.1), torch.optim.Adam([flat.values], 0.1)
    for _ in range(5):
        step(optimizers[0], plain)
        step(optimizers[1], flattened, flat)
    for one, other in zip(plain.parameters(), flattened.parameters(), strict=True):
        assert torch.equal(one, other)


def test_gathering_clears_the_gradients_of_the_parameters():
    one = network()
    flat = FlatWeights(one)
    loss_of(one).backward()
    first = flat.gather_gradients().clone()
    assert all(weight.grad is None for weight in one.parameters())
    loss_of(one).backward()
    assert torch.equal(flat.gather_gradients(), first)
    assert flat.values.grad is not None


def test_a_weight_that_had_no_part_in_the_loss_has_gradient_zero():
    one = network()
    flat = FlatWeights(one)
    one[0](torch.ones(1, 3)).sum().backward()
    gathered = flat.gather_gradients()
    assert gathered[:16].ne(0).all()
    assert gathered[16:].eq(0).all()


def test_loading_weights_reaches_the_one_tensor():
    one = network()
    flat = FlatWeights(one)
    one.load_state_dict({name: value + 1 for name, value in one.state_dict().items()})
    assert torch.equal(flat.values[:12].view(4, 3), one[0].weight)


def test_a_network_without_gradients_is_flattened_too():
    assert not FlatWeights(network().requires_grad_(False)).values.requires_grad
