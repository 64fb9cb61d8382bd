"""The options of the command line change epochs and seed of a recipe."""

import pytest

from ldm.config import Crop
from ldm.recipes import demo
from orchestration.options import RecipeName, SweepOptions
from orchestration.resolution import base_config


def training(recipe, epochs):
    return base_config(SweepOptions(crop=Crop.PANCREAS, recipe=recipe, epochs=epochs)).training


def test_without_options_a_trial_is_the_recipes():
    assert base_config(SweepOptions(crop=Crop.PANCREAS)) == demo(Crop.PANCREAS)


@pytest.mark.parametrize(
    ("recipe", "epochs", "milestones"),
    [
        (RecipeName.DEMO, 16, (10, 14)),  # half of 32 epochs and of (20, 28)
        (RecipeName.DEMO, 64, (40, 56)),
        (RecipeName.DEMO, 2, (1, 2)),  # 1.25 and 1.75 of 2 epochs, rounded
        (RecipeName.THESIS, 400, (25, 250)),  # a quarter of 1600 epochs and of (100, 1000)
        (RecipeName.THESIS, 2, (1, 2)),  # 0.125 and 1.25, but the second must be above the first
    ],
)
def test_milestones_scale_with_the_epochs(recipe, epochs, milestones):
    assert training(recipe, epochs).schedule.milestones_epochs == milestones


@pytest.mark.parametrize(
    ("recipe", "epochs", "checkpoint", "evaluation"),
    [
        (RecipeName.DEMO, 16, 2, 16),  # half of 4 and of 32
        (RecipeName.DEMO, 2, 1, 2),
        (RecipeName.THESIS, 400, 50, 50),  # a quarter of 200
        (RecipeName.THESIS, 2, 1, 1),
    ],
)
def test_checkpoints_and_evaluations_scale_with_the_epochs(recipe, epochs, checkpoint, evaluation):
    asked = training(recipe, epochs)
    assert asked.epochs == epochs
    assert (asked.checkpoint_every_epochs, asked.evaluate_every_epochs) == (checkpoint, evaluation)


def test_epochs_change_nothing_else_of_the_schedule():
    schedule = training(RecipeName.DEMO, 16).schedule
    own = demo(Crop.PANCREAS).training.schedule
    assert (schedule.learning_rate, schedule.gamma) == (own.learning_rate, own.gamma)
    assert schedule.warmup_steps == own.warmup_steps


def test_the_seed_sets_training_and_sampling():
    base = base_config(SweepOptions(crop=Crop.PANCREAS, seed=7))
    assert (base.training.seed, base.sampling.seed) == (7, 7)
