"""The models of the study as trials of any recipe."""

import dataclasses

import pytest

from ldm.config import Crop
from ldm.recipes import demo, thesis
from search_spaces.space import (
    known_points,
)
from search_spaces.study import STUDY_MODELS
from search_spaces.study_trials import configure_study_model, study_trials

PANCREAS_STUDY = [(2, "default"), (3, "milestones"), (4, "rate"), (5, "gamma"), (6, "input size")]


STUDY = {model.name: model for model in STUDY_MODELS}


@pytest.mark.parametrize("model", STUDY_MODELS, ids=lambda model: model.name)
def test_a_study_model_is_tried_at_its_own_input_size(model):
    base = demo(model.crop)
    assert known_points(base)[model.schedule_name].input_size == model.input_size
    assert configure_study_model(base, model).image.input_size == model.input_size


@pytest.mark.parametrize(
    ("name", "epochs", "milestones"),
    [
        ("study 1 full body", 92, (2, 20)),
        ("study 2 default", 32, (2, 20)),
        ("study 3 milestones", 52, (14, 28)),
        ("study 4 rate", 20, (2, 20)),
    ],
)
def test_in_the_demo_a_study_model_shrinks_by_one_factor(name, epochs, milestones):
    model = STUDY[name]
    training = configure_study_model(demo(model.crop), model).training
    assert training.epochs == epochs
    assert training.schedule.milestones_epochs == milestones
    assert training.schedule.learning_rate == model.learning_rate
    assert training.batch_size == 4  # the study's batch size, not the demo's


def test_in_the_thesis_recipe_a_study_model_is_unshrunk():
    training = configure_study_model(thesis(Crop.FULL_BODY), STUDY["study 1 full body"]).training
    assert (training.epochs, training.schedule.milestones_epochs) == (4600, (100, 1000))


def test_a_tiny_budget_keeps_a_study_model_trainable():
    base = demo(Crop.PANCREAS)
    base = dataclasses.replace(base, training=dataclasses.replace(base.training, epochs=1))
    training = configure_study_model(base, STUDY["study 2 default"]).training
    assert training.epochs == 2
    assert training.schedule.milestones_epochs == (1, 2)


def test_a_trial_is_called_a_model_of_the_study_only_if_it_is_trained_in_the_studys_way():
    ours, theirs = (study_trials(recipe(Crop.PANCREAS)) for recipe in (demo, thesis))
    assert [one.name for one in theirs] == [f"study {n} {name}" for n, name in PANCREAS_STUDY]
    assert [one.name for one in ours] == [
        f"learning schedule of study {n}" for n, _ in PANCREAS_STUDY
    ]


def test_the_studys_models_are_trials():
    base = demo(Crop.PANCREAS)
    trials = study_trials(base)
    assert trials[1].config == configure_study_model(base, STUDY["study 3 milestones"])
