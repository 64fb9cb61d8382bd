"""Detecting that a training is not learning."""

import pytest
import torch

from ldm.config import Objective, ScheduleConfig
from ldm.diffusion.stall import is_check_due, is_stalled, stall_warning
from tests.support.small_training import run_epochs, tiny_config, tiny_training


@pytest.mark.parametrize(("loss", "expected"), [(1.5, False), (1.95, False), (1.97, True)])
def test_a_loss_near_that_of_predicting_zero_is_stalled(loss, expected):
    assert is_stalled(loss, 2.0) is expected


@pytest.mark.parametrize(("n_epochs", "due"), [(32, 8), (4, 1), (2, 1), (1, 1), (1600, 400)])
def test_the_check_is_due_from_a_quarter_of_the_epochs_on(n_epochs, due):
    epochs = range(1, n_epochs + 1)
    found = [e for e in epochs if is_check_due(e, n_epochs=n_epochs, n_steps=100)]
    assert found == list(range(due, n_epochs + 1))


def test_the_check_is_not_due_after_few_steps():
    assert not is_check_due(1, n_epochs=4, n_steps=49)


def test_the_warning_names_both_losses():
    warning = stall_warning(1.97, 2.0)
    assert "its loss (1.970) is close to that of predicting zero everywhere (2.000)" in warning


def train(learning_rate, objective):
    schedule = ScheduleConfig(learning_rate=learning_rate, milestones_epochs=(), gamma=1.0)
    config = tiny_config(epochs=12, schedule=schedule, objective=objective)
    return run_epochs(tiny_training(config, torch.zeros(8, 4, 12, 12, 8)), 12)[-1]


@pytest.mark.parametrize("objective", Objective)
def test_a_tiny_learning_rate_is_stalled_and_a_good_one_is_not(objective):
    still, moving = (train(rate, objective) for rate in (1e-8, 2e-3))
    assert is_stalled(still.loss, still.trivial_loss)
    assert not is_stalled(moving.loss, moving.trivial_loss)
