"""The training loop: exact resumption, the learning rate, and errors for infinite losses."""

import dataclasses

import pytest
import torch

from ldm.config import Objective, Precision, ScheduleConfig
from ldm.diffusion.ema import ema_decay
from ldm.diffusion.schedule import denoiser_learning_rate
from ldm.errors import InputError, NonFiniteLossError
from tests.support.small_training import random_latents, run_epochs, tiny_config, tiny_training

SCHEDULE = ScheduleConfig(learning_rate=1e-3, milestones_epochs=(2, 5), gamma=0.1, warmup_steps=4)


def assert_same(one, other):
    """Assert that two state dictionaries are equal to the bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=0)


@pytest.fixture(scope="module")
def stopped_and_resumed(tmp_path_factory):
    """Train 4 epochs at once, and 2 + 2 epochs with a checkpoint in between."""
    folder = tmp_path_factory.mktemp("checkpoint")
    whole, first, second = tiny_training(), tiny_training(), tiny_training()
    reports = run_epochs(whole, 4)
    parts = run_epochs(first, 2)
    first.save(folder)
    second.resume(folder)
    return whole, second, reports, parts + run_epochs(second, 2)


@pytest.mark.parametrize("network", ["network", "average"])
def test_a_resumed_run_has_the_same_weights_to_the_bit(stopped_and_resumed, network):
    whole, resumed, _, _ = stopped_and_resumed
    assert_same(getattr(whole, network).state_dict(), getattr(resumed, network).state_dict())


def test_a_resumed_run_has_the_same_optimizer_to_the_bit(stopped_and_resumed):
    one, other = (t.optimizer.state_dict() for t in stopped_and_resumed[:2])
    assert one["state"].keys() == other["state"].keys()
    for index, slots in one["state"].items():
        assert_same(slots, other["state"][index])
    assert [group["lr"] for group in one["param_groups"]] == [
        group["lr"] for group in other["param_groups"]
    ]


def test_a_resumed_run_draws_the_same_noise(stopped_and_resumed):
    whole, resumed, _, _ = stopped_and_resumed
    assert torch.equal(whole.generator.get_state(), resumed.generator.get_state())


def test_a_resumed_run_reports_the_same(stopped_and_resumed):
    _, _, whole, parts = stopped_and_resumed
    without_time = [
        [dataclasses.replace(report, epoch_seconds=0.0) for report in reports]
        for reports in (whole, parts)
    ]
    assert without_time[0] == without_time[1]


def test_reports_count_epochs_and_steps(stopped_and_resumed):
    _, _, reports, _ = stopped_and_resumed
    assert [report.epoch for report in reports] == [1, 2, 3, 4]
    assert [report.step for report in reports] == [2, 4, 6, 8]  # 6 scans make batches of 4 and 2
    assert {report.first_epoch_loss for report in reports} == {reports[0].loss}


def test_training_ends_after_its_epochs(stopped_and_resumed):
    assert list(stopped_and_resumed[0].epochs()) == []


def test_the_same_configuration_trains_the_same_again(stopped_and_resumed):
    again = run_epochs(tiny_training(), 1)[0]
    assert again.loss == stopped_and_resumed[2][0].loss


def test_another_seed_trains_otherwise(stopped_and_resumed):
    other = run_epochs(tiny_training(tiny_config(seed=1)), 1)[0]
    assert other.loss != stopped_and_resumed[2][0].loss


@pytest.mark.parametrize(
    ("epoch", "step", "rate"),
    [
        (0, 0, 0.25e-3),
        (0, 2, 0.75e-3),
        (0, 3, 1e-3),
        (1, 100, 1e-3),
        (2, 100, 1e-4),
        (4, 100, 1e-4),
        (5, 100, 1e-5),
        (2, 1, 0.5e-4),
    ],
)
def test_the_learning_rate_by_hand(epoch, step, rate):
    assert denoiser_learning_rate(SCHEDULE, epoch=epoch, step=step) == pytest.approx(rate)


def test_a_recipe_without_an_average_samples_the_weights_themselves():
    training = tiny_training(tiny_config(ema_half_life_samples=None))
    run_epochs(training, 1)
    weights = training.network.state_dict()
    assert all(
        torch.equal(value, weights[name]) for name, value in training.sampler().weights.items()
    )


@pytest.mark.parametrize("precision", Precision)
def test_the_precision_of_the_configuration_decides(monkeypatch, precision):
    monkeypatch.setattr("ldm.device.is_bfloat16_fast", lambda _: True)
    training = tiny_training(tiny_config(precision=precision))
    assert training.is_bfloat16 is (precision is Precision.AUTO)


def test_without_warm_up_the_rate_is_whole_from_the_first_step():
    schedule = dataclasses.replace(SCHEDULE, warmup_steps=0)
    assert denoiser_learning_rate(schedule, epoch=0, step=0) == 1e-3


def test_the_optimizer_gets_the_rate_of_the_schedule():
    reports = run_epochs(tiny_training(tiny_config(schedule=SCHEDULE)), 3)
    expected = [0.5e-3, 1e-3, 1e-4]  # at the last step of each epoch: 1, 3 and 5
    assert [report.learning_rate for report in reports] == pytest.approx(expected)


def test_a_broken_latent_stops_the_first_epoch_naming_step_epoch_and_rate():
    training = tiny_training(mean=torch.full((6, 4, 12, 12, 8), float("nan")))
    with pytest.raises(NonFiniteLossError, match=r"it is nan at step 0 \(epoch 1, learning rate"):
        run_epochs(training, 1)


def test_divergence_later_names_its_own_step_and_epoch():
    training = tiny_training()
    run_epochs(training, 1)
    with torch.no_grad():
        next(training.network.parameters()).fill_(float("inf"))
    with pytest.raises(NonFiniteLossError, match=r"nan at step 2 \(epoch 2, "):
        run_epochs(training, 1)


def test_latents_of_another_shape_are_refused_naming_both():
    with pytest.raises(InputError, match=r"shape \(4, 12, 12, 8\), got \(4, 12, 12, 4\)"):
        tiny_training(mean=random_latents()[..., :4])


@pytest.mark.parametrize("objective", Objective)
def test_the_loss_falls_on_latents_that_are_all_the_same(objective):
    schedule = ScheduleConfig(learning_rate=2e-3, milestones_epochs=(), gamma=1.0)
    config = tiny_config(epochs=30, schedule=schedule, objective=objective)
    losses = [
        report.loss for report in tiny_training(config, torch.zeros(8, 4, 12, 12, 8)).epochs()
    ]
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])


def test_a_clipped_gradient_is_reported_before_clipping():
    loose, tight = (
        run_epochs(tiny_training(tiny_config(gradient_clip_norm=norm)), 1)[0].gradient_norm
        for norm in (None, 1e-3)
    )
    assert tight > 1e-3
    assert tight == pytest.approx(loose, rel=0.3)


def test_the_average_follows_by_the_decay_of_the_first_step():
    training = tiny_training(tiny_config(batch_size=6))  # one step per epoch
    start = next(training.average.parameters()).clone()
    run_epochs(training, 1)
    moved = next(training.network.parameters()).detach()
    expected = torch.lerp(start, moved, 1 - ema_decay(6, 6, 120))
    torch.testing.assert_close(next(training.average.parameters()), expected)


def test_the_sampler_is_the_average_with_what_undoes_the_whitening(stopped_and_resumed):
    training = stopped_and_resumed[0]
    sampler = training.sampler()
    assert_same(sampler.weights, training.average.state_dict())
    assert (sampler.epoch, sampler.whitening) == (4, training.whitening)
