"""The parts of the loss, the learning rate schedule, and the perceptual network's file."""

import math

import pytest
import torch
from safetensors.torch import save_file

from ldm.autoencoder.config import AdversarialConfig, RateSchedule
from ldm.autoencoder.losses import (
    absolute_error,
    autoencoder_learning_rate,
    build_discriminator,
    discriminator_loss,
    generator_loss,
    kl_divergence,
    load_perceptual_loss,
    perceptual_loss,
)
from ldm.errors import InputError
from ldm.loss_networks import build_perceptual_loss
from tests.support.small_autoencoder import tiny_config

CPU = torch.device("cpu")


def test_the_absolute_error_by_hand():
    decoded = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 3, 1, 1)
    images = torch.tensor([0.1, 0.5, 0.8]).reshape(1, 1, 3, 1, 1)
    assert float(absolute_error(decoded, images)) == pytest.approx(0.1)


def test_the_divergence_of_the_standard_normal_is_zero():
    mean = torch.zeros(2, 4, 3, 3, 3)
    assert float(kl_divergence(mean, torch.ones_like(mean))) == 0.0


def test_the_divergence_by_hand():
    mean = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).reshape(2, 2, 1, 1, 1)
    std = torch.tensor([[1.0, 1.0], [2.0, 1.0]]).reshape(2, 2, 1, 1, 1)
    first = 0.5  # half the squared mean
    second = (4 - math.log(4) - 1) / 2
    assert float(kl_divergence(mean, std)) == pytest.approx((first + second) / 2)


def test_the_divergence_is_that_of_torch():
    mean, std = torch.randn(3, 2, 2, 2, 2), torch.rand(3, 2, 2, 2, 2) + 0.1
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, std), normal(0.0, 1.0)).sum() / 3
    torch.testing.assert_close(kl_divergence(mean, std), expected)


def test_the_adversarial_losses_by_hand():
    fake, real = torch.tensor([[0.0, 0.5]]), torch.tensor([[1.0, 0.8]])
    assert float(generator_loss(fake)) == pytest.approx((1 + 0.25) / 2)
    fake_part, real_part = 0.25 / 2, 0.04 / 2
    assert float(discriminator_loss(fake, real)) == pytest.approx((fake_part + real_part) / 2)


def test_a_perfect_discriminator_has_no_loss():
    assert float(discriminator_loss(torch.zeros(2, 3), torch.ones(2, 3))) == 0.0


def test_the_discriminator_judges_patches():
    network = build_discriminator(AdversarialConfig(weight=1.0, start_step=0, learning_rate=1e-3))
    logits = network(torch.rand(2, 1, 32, 32, 24))[-1]
    assert logits.shape[:2] == (2, 1)
    assert logits[0].numel() > 1


@pytest.mark.parametrize("n_steps", [10, 37])
def test_the_one_cycle_schedule_equals_pytorchs(n_steps):
    config = tiny_config(n_steps=n_steps, learning_rate=1e-3, rate_schedule=RateSchedule.ONE_CYCLE)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=n_steps)
    for step in range(n_steps):
        assert autoencoder_learning_rate(config, step) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        if step < n_steps - 1:
            schedule.step()


def test_one_cycle_of_few_steps_has_a_rate():
    for n_steps in (1, 2, 3):
        config = tiny_config(n_steps=n_steps)
        assert all(autoencoder_learning_rate(config, step) > 0 for step in range(n_steps))


def test_a_constant_rate_does_not_change():
    config = tiny_config(rate_schedule=RateSchedule.CONSTANT)
    assert {autoencoder_learning_rate(config, step) for step in range(10)} == {config.learning_rate}


def test_a_missing_perceptual_network_is_named(tmp_path):
    with pytest.raises(InputError, match=r"resnet50\.pth does not exist"):
        load_perceptual_loss(tmp_path / "resnet50.pth", CPU)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(InputError, match="it lacks"):
        load_perceptual_loss(path, CPU)


@pytest.fixture(scope="module")
def perceptual(tmp_path_factory):
    """Load a random ResNet-50 from a file that has a classifier, as torchvision's files do."""
    torch.manual_seed(0)
    features = build_perceptual_loss().get_submodule("perceptual_function.model")
    state = {name: value.half() for name, value in features.state_dict().items()}
    state["fc.bias"] = torch.zeros(1000)
    path = tmp_path_factory.mktemp("perceptual") / "resnet50.safetensors"
    save_file(state, path)
    network = load_perceptual_loss(path, CPU)
    return network, state


def test_the_perceptual_network_has_the_weights_of_its_file(perceptual):
    network, state = perceptual
    found = network.get_submodule("perceptual_function.model").state_dict()
    assert torch.equal(found["conv1.weight"], state["conv1.weight"].float())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_equal_images_have_no_perceptual_loss(perceptual):
    images = torch.rand(1, 1, 16, 16, 16)
    assert float(perceptual_loss(perceptual[0], images, images, 0)) == pytest.approx(0, abs=1e-6)
    assert float(perceptual_loss(perceptual[0], images.flip(2), images, 0)) > 1e-4


def test_the_perceptual_loss_leaves_the_random_state_alone(perceptual):
    images = torch.rand(1, 1, 16, 16, 16)
    before = torch.get_rng_state()
    first, second = (perceptual_loss(perceptual[0], images.flip(2), images, 7) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert float(first) == float(second)
