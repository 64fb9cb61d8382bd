"""The fast convolutions have PyTorch's values and gradients."""

import copy

import pytest
import torch
from torch import nn

from ldm.diffusion import convolution
from ldm.diffusion.convolution import Conv3d, use_fast_convolutions


@pytest.fixture(autouse=True)
def slow_processor(monkeypatch):
    """Take the fast path on every CPU, also on those with AVX-512."""
    monkeypatch.setattr(convolution, "HAS_AVX512", False)


@pytest.fixture
def applied(monkeypatch):
    """A list that gets an entry whenever the fast path is taken."""
    calls = []
    plain = convolution._Convolution.apply
    monkeypatch.setattr(
        convolution._Convolution, "apply", lambda *given: calls.append(1) or plain(*given)
    )
    return calls


def pair(n_in=3, n_out=5, **options):
    torch.manual_seed(0)
    plain = nn.Conv3d(n_in, n_out, 3, padding=1, **options).double()
    ours = nn.Sequential(copy.deepcopy(plain))
    use_fast_convolutions(ours)
    return plain, ours


def gradients_of(network, value):
    value = value.clone().requires_grad_()
    found = network(value)
    (found * torch.linspace(-1, 1, found.numel()).double().view_as(found)).sum().backward()
    return [found.detach(), value.grad, *(weight.grad for weight in network.parameters())]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 6), (1, 3, 1, 1, 1), (3, 3, 2, 7, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_pytorchs(shape, bias, applied):
    plain, ours = pair(bias=bias)
    value = torch.randn(shape).double()
    for one, other in zip(gradients_of(ours, value), gradients_of(plain, value), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    assert applied


def test_an_input_without_gradient_and_a_frozen_weight_get_none(applied):
    _, ours = pair()
    ours[0].weight.requires_grad_(False)
    ours(torch.randn(1, 3, 2, 2, 2).double()).sum().backward()
    assert ours[0].weight.grad is None
    torch.testing.assert_close(ours[0].bias.grad, torch.full((5,), 8.0).double())
    assert applied


def test_weights_names_and_random_numbers_do_not_change():
    plain, ours = pair()
    state = torch.get_rng_state()
    use_fast_convolutions(ours)
    assert torch.equal(torch.get_rng_state(), state)
    assert list(ours.state_dict()) == ["0.weight", "0.bias"]
    assert torch.equal(ours[0].weight, plain.weight)
    assert type(ours[0]) is Conv3d


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 0},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 1, "groups": 2},
        {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
        {"kernel_size": 3, "padding": "same", "dilation": 2},
    ],
)
def test_other_convolutions_are_left_alone(options):
    network = nn.Sequential(nn.Conv3d(2, 2, **options), nn.ConvTranspose3d(2, 2, 3, padding=1))
    use_fast_convolutions(network)
    assert not any(isinstance(part, Conv3d) for part in network)


def test_pytorchs_path_is_taken_without_gradients_with_autocast_and_with_avx512(
    applied, monkeypatch
):
    ours = pair()[1].float()
    value = torch.randn(1, 3, 2, 2, 2)
    with torch.no_grad():
        ours(value)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(value).dtype == torch.bfloat16
    monkeypatch.setattr(convolution, "HAS_AVX512", True)
    ours(value).sum().backward()
    assert not applied
